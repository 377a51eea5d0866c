"""Settings of the files layer: backups of what users stored as files."""

from typing import Annotated, ClassVar

from pydantic import Field

from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.redis_backup import Period
from xteam_infra.settings.schedule import Calendar


class FilesSettings(LayerSettings):
    """group_data/files.py"""

    layer: ClassVar[str] = "files"

    files_backup_path: str = Field("/var/lib/xteam/files-backup", pattern=r"^(/[A-Za-z0-9._-]+){2,}$")
    """Directory on the backup host, with an encrypted repository of restic's for each API host."""
    files_backup_max_mb: int | None = Field(None, ge=100)
    """Room of all of them together; more is refused. None: two fifths of their file system."""
    files_backup_schedule: Calendar = "*:40"
    """When uploads and workspaces are backed up, as a systemd calendar expression."""
    files_backup_max_age_minutes: int = Field(130, ge=10, le=60 * 24 * 7)
    """The checks and alerts call the newest backup too old after this: two pauses and one duration."""
    files_backup_keep: dict[Period, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {"hourly": 24, "daily": 14, "weekly": 8, "monthly": 6}, min_length=1
    )
    """How many backups of each host are kept, by period. A user's erased files are gone when the last one expired."""
    files_backup_keep_distinct: int = Field(5, ge=1, le=100)
    """So many backups of each host stay too that differ in content, of different days, within the longest period."""
    files_backup_shrink_percent: int = Field(50, ge=1, le=99)
    """When the newest backup of a host holds so much less (files, or bytes) than the largest of a week, nothing is
    removed any more until a person has looked: docs/runbooks/files-shrunk.md."""
    files_backup_expire_schedule: Calendar = "04:10"
    """When the backup host removes what expired, and reads a part of what it keeps."""
    files_backup_restore_test_schedule: Calendar = "Sun 04:50"
    """When every API host restores its newest backup beside its files, and compares each byte."""
    files_backup_restore_test_max_age_days: int = Field(8, ge=1, le=100)
    """The same for the newest such proof."""
    files_backup_s3_schedule: Calendar = "*:55"
    """When the newest backups are copied into the bucket of group_data/backup.py (backup_s3_bucket), if there is one:
    after files_backup_schedule."""
    files_backup_s3_keep: dict[Period, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {"hourly": 24, "daily": 30, "weekly": 13}, min_length=1
    )
    """files_backup_keep for the bucket. What expired stays, hidden, until its lock ends (backup_s3_lock_days)."""
    files_backup_s3_max_age_minutes: int = Field(200, ge=10, le=60 * 24 * 7)
    """files_backup_max_age_minutes for the bucket."""
    files_backup_s3_restore_test_schedule: Calendar = "Sun 05:50"
    """When the backup host restores the newest copies beside, and compares each byte."""
    files_backup_seconds: int = Field(7200, ge=60, le=86_400)
    """How long one backup, proof or expiry may take."""
