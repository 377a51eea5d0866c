"""Rules of the redis_backup layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.redis
    if not estate.backup.bucket:
        return
    if settings.redis_backup_s3_on == settings.redis_backup_on:
        allowed = "a time after redis_backup_on, when the snapshot that is to be copied is there"
        yield settings.problem("redis_backup_s3_on", settings.redis_backup_s3_on, allowed)
    others = {
        "redis_backup_cipher": settings.redis_backup_cipher,
        "backup_cipher": estate.backup.backup_cipher,
        "backup_s3_cipher": estate.backup.backup_s3_cipher,
    }
    for name, other in others.items():
        if settings.redis_backup_s3_cipher.name == other.name:
            allowed = f"another secret than {name}: who learns one password must not read both repositories"
            yield settings.problem("redis_backup_s3_cipher", other.name, allowed)
