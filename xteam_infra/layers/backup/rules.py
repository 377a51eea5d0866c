"""Rules of the backup layer that look at the whole estate."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.on_host.xteam_backup.targets import parse
from xteam_infra.settings.backup import BackupSettings
from xteam_infra.settings.stored import Stored

# The shortest names of access keys, and the shortest of these, that providers of object storage give.
S3_KEY_ID, S3_KEY = 8, 16
# A controller's clock may be this far behind the hosts' before a restore "into the future" is refused.
CLOCK_SLACK = timedelta(seconds=5)


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.backup
    hosts = estate.members("backup")
    if len(hosts) > 1:
        names = ", ".join(machine.name for machine in hosts)
        yield Problem(estate.inventory, "backup", names, "one host: there is one repository")
    if settings.backup_full_schedule == settings.backup_differential_schedule:
        yield settings.problem(
            "backup_differential_schedule",
            settings.backup_differential_schedule,
            "another time than backup_full_schedule",
        )
    if settings.backup_s3_bucket:
        yield from _s3_problems(settings)
    moment = parse(settings.target).moment if settings.target else None
    if moment and moment > datetime.now(UTC) + CLOCK_SLACK:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S+00")
        yield Problem("--data", "target", repr(settings.target), f"a moment of the past; now it is {now}")


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    settings = estate.backup
    if not estate.members("backup"):
        return
    yield Stored(settings.backup_encryption_key.name, ("ini",))
    if settings.bucket:
        yield Stored(settings.backup_s3_encryption_key.name, ("ini",))
        yield Stored(settings.backup_s3_key_id.name, ("plain",), shortest=S3_KEY_ID, fewest_bits=0, supplied=True)
        yield Stored(settings.backup_s3_key.name, ("ini", "aws"), shortest=S3_KEY, fewest_bits=0, supplied=True)


def _s3_problems(settings: BackupSettings) -> Iterator[Problem]:
    if not settings.backup_s3_region:
        yield settings.problem("backup_s3_region", "", "the bucket's region, such as eu-west-1")
    if settings.backup_s3_ca and not Path(settings.backup_s3_ca).expanduser().is_file():
        yield settings.problem("backup_s3_ca", settings.backup_s3_ca, "a file on this controller, or nothing")
    if settings.backup_s3_encryption_key.name == settings.backup_encryption_key.name:
        allowed = "another secret than backup_encryption_key: who learns one key must not read both repositories"
        yield settings.problem("backup_s3_encryption_key", settings.backup_s3_encryption_key.name, allowed)
    if settings.backup_s3_full_schedule == settings.backup_s3_differential_schedule:
        allowed = "another time than backup_s3_full_schedule"
        yield settings.problem("backup_s3_differential_schedule", settings.backup_s3_differential_schedule, allowed)
