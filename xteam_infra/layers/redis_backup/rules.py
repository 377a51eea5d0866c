"""Rules of the redis_backup layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.redis
    if not estate.backup.bucket:
        return
    if settings.redis_backup_s3_schedule == settings.redis_backup_schedule:
        allowed = "a time after redis_backup_schedule, when the snapshot that is to be copied is there"
        yield settings.problem("redis_backup_s3_schedule", settings.redis_backup_s3_schedule, allowed)
    others = {
        "redis_backup_encryption_key": settings.redis_backup_encryption_key,
        "backup_encryption_key": estate.backup.backup_encryption_key,
        "backup_s3_encryption_key": estate.backup.backup_s3_encryption_key,
    }
    for name, other in others.items():
        if settings.redis_backup_s3_encryption_key.name == other.name:
            allowed = f"another secret than {name}: who learns one password must not read both repositories"
            yield settings.problem("redis_backup_s3_encryption_key", other.name, allowed)
