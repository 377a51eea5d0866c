"""Rules of the files layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.layers.files.needs import cipher, copies, sends
from xteam_infra.settings.stored import Stored


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.files
    if estate.backup.bucket and settings.files_backup_s3_schedule == settings.files_backup_schedule:
        allowed = "a time after files_backup_schedule, when the backup that is to be copied is there"
        yield settings.problem("files_backup_s3_schedule", settings.files_backup_s3_schedule, allowed)
    others = {"redis_backup_path": estate.redis.redis_backup_path, "backup_path": estate.backup.backup_path}
    for name, other in others.items():
        if f"{settings.files_backup_path}/".startswith(f"{other}/") or f"{other}/".startswith(
            f"{settings.files_backup_path}/"
        ):
            yield settings.problem(
                "files_backup_path", settings.files_backup_path, f"a directory beside {name}, {other}"
            )


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    for machine in estate.machines:
        if sends(estate, machine):
            yield Stored(cipher(machine).name)
            if estate.backup.bucket:
                yield Stored(copies(estate, machine).cipher.name)
