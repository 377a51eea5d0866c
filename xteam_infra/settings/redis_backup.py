"""Settings of Redis' backups; a part of group_data/redis.py."""

from typing import Annotated, Literal

from pydantic import Field

from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.schedule import Calendar

Period = Literal["hourly", "daily", "weekly", "monthly"]


class RedisBackupSettings(LayerSettings):
    """Snapshots of the roles: where, when, how long, and what a restore is told."""

    redis_backup_path: str = Field("/var/lib/xteam/redis-backup", pattern=r"^(/[A-Za-z0-9._-]+){2,}$")
    """Directory of the snapshots (encrypted by restic) on the backup host."""
    redis_backup_encryption_key: Secret = Secret("redis/backup-cipher")
    """Password of the snapshots' repository. Only the backup host gets it; without it no snapshot can be read."""
    redis_backup_schedule: Calendar = "hourly"
    """When snapshots are taken, as a systemd calendar expression."""
    redis_backup_max_age_minutes: int = Field(130, ge=10, le=60 * 24 * 7)
    """The checks and alerts call the newest snapshot too old after this: two pauses and one duration."""
    redis_backup_restore_test_schedule: Calendar = "Sun 03:30"
    """When the newest snapshots are restored into a scratch instance and counted."""
    redis_backup_restore_test_max_age_days: int = Field(8, ge=1, le=100)
    """The same for the newest such proof."""
    redis_backup_keep: dict[Period, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {"hourly": 48, "daily": 14, "weekly": 8}, min_length=1
    )
    """How many snapshots of each role are kept, by period."""
    redis_backup_s3_schedule: Calendar = "*:20"
    """When the newest snapshots are copied into the bucket of group_data/backup.py (backup_s3_bucket), if there is one:
    after redis_backup_schedule."""
    redis_backup_s3_encryption_key: Secret = Secret("redis/backup-s3-cipher")
    """Password of the repository in the bucket: another one than redis_backup_encryption_key's."""
    redis_backup_s3_keep: dict[Period, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {"hourly": 24, "daily": 30, "weekly": 13}, min_length=1
    )
    """redis_backup_keep for the bucket. What expired stays, hidden, until its lock ends (backup_s3_lock_days)."""
    redis_backup_s3_max_age_minutes: int = Field(200, ge=10, le=60 * 24 * 7)
    """redis_backup_max_age_minutes for the bucket."""
    redis_backup_seconds: int = Field(1800, ge=60, le=86_400)
    """How long one step of a backup, a proof or a restore may take."""
    redis_restore_port: int = Field(6390, ge=1024, le=65535)
    """TLS port on the backup host where a snapshot is offered to the Redis hosts, only while a restore runs."""

    redis_restore_role: str | None = Field(None, exclude=True)
    """Only for tasks/restore_redis.py, as --data redis_restore_role=queue: the role whose data are replaced."""
    redis_restore_snapshot: str = Field("latest", pattern=r"^(latest|[0-9a-f]{8,64})$", exclude=True)
    """Only for tasks/restore_redis.py: the snapshot: "latest", or an id that `xteam-redis-backup list` shows."""
    redis_restore_confirm: str | None = Field(None, exclude=True)
    """Only for tasks/restore_redis.py: must say "replace ROLE": what the role holds now is moved aside."""
