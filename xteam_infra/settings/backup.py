"""Settings of the backup layer: pgBackRest's repository, its times, and restores."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from xteam_infra.cloud import Bucket, ObjectStorage
from xteam_infra.on_host.xteam_backup.targets import FORMS, parse
from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.schedule import Calendar

TARGET_FORMS = FORMS


class BackupSettings(LayerSettings):
    """group_data/backup.py"""

    layer: ClassVar[str] = "backup"

    backup_path: str = Field("/var/lib/pgbackrest", pattern=r"^(/[A-Za-z0-9._-]+){2,}$")
    """Directory of the repository on the backup host. Give it a file system of its own."""
    backup_encryption_key: Secret = Secret("backup/repo1-cipher")
    """Key of the repository (AES-256), in a file of the backup host alone; without it no backup can be read."""
    backup_full_schedule: Calendar = "Sun 01:30"
    """When full backups begin, as a systemd calendar expression."""
    backup_differential_schedule: Calendar = "Mon..Sat 01:30"
    """When differential backups begin. Keep the two apart: only one backup runs at a time."""
    backup_retention_days: int = Field(14, ge=1, le=3650)
    """Any moment of the last so many days can be restored. Older backups and their WAL are expired."""
    backup_max_age_hours: int = Field(26, ge=2, le=24 * 31)
    """The checks call the newest backup too old after this: the longest pause between two, and their duration."""
    backup_full_max_age_days: int = Field(8, ge=1, le=366)
    """The same for the newest full backup."""
    backup_processes: int = Field(2, ge=1, le=64)
    """Processes that read, compress and send at a time. More than a quarter of a database host's cores slow it."""
    backup_compress_level: int = Field(3, ge=1, le=19)
    """Zstandard's level."""
    backup_memory_mb: int = Field(256, ge=128)
    """Memory (MiB) a running backup may use on the backup host."""
    backup_archive_queue_max_gb: int | None = Field(None, ge=1)
    """WAL (GB) that may wait on a database host while the repository is away. None: no limit, nothing is ever dropped,
    and the disk fills. With a limit WAL beyond it is DROPPED: moments after that can't be restored until the next
    backup."""

    backup_verify_schedule: Calendar = "Sat 04:30"
    """When every file of each repository is read and compared with its checksum."""

    backup_s3_bucket: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
    """Bucket of a second repository, made if it is not there. None: one repository, on the backup host."""
    backup_s3_region: str = Field("", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$")
    """Region of the bucket, such as "eu-west-1": another one than the databases'."""
    backup_s3_endpoint: str = Field("", pattern=r"^([A-Za-z0-9.-]+(:\d{1,5})?)?$")
    """Host, or host:port, of object storage other than AWS. Empty: AWS. Always TLS."""
    backup_s3_ca: str = ""
    """File on the controller with the authority that signed the endpoint's certificate. Empty: a public one."""
    backup_s3_uri_style: Literal["host", "path"] = "host"
    """Where the bucket's name stands. Storage other than AWS often wants "path"."""
    backup_s3_key_id: Secret = Secret("backup/s3-key-id", "never")
    """Access key of the backup host; docs/operations/backup.md has the rights it needs. On no other host."""
    backup_s3_key: Secret = Secret("backup/s3-key", "never")
    """The secret of that access key."""
    backup_s3_controller: Literal["own", "key"] = "own"
    """With which rights this controller makes and checks the bucket: "own" (as boto3 finds them: profile, role,
    environment), or "key" (the backup host's)."""
    backup_s3_encryption_key: Secret = Secret("backup/repo2-cipher")
    """Key of the second repository (AES-256): another one than the first's."""
    backup_s3_retention_days: int = Field(30, ge=1, le=3650)
    """backup_retention_days for the second repository."""
    backup_s3_lock_days: int = Field(14, ge=1, le=3650)
    """For so many days nobody with the backup host's key can delete a version of an object (object lock). Replaced and
    expired versions are kept, and paid for, as long."""
    backup_s3_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"
    """GOVERNANCE: an account with a special right can delete earlier. COMPLIANCE: nobody can."""
    backup_s3_full_schedule: Calendar = "Sun 03:30"
    """When full backups into the second repository begin."""
    backup_s3_differential_schedule: Calendar = "Mon..Sat 03:30"
    """When differential backups into the second repository begin."""

    restore_directory: str = Field("/var/lib/xteam/restore", pattern=r"^(/[A-Za-z0-9._-]+){2,}$")
    """Where tasks/restore.py puts scratch instances on the backup host."""
    restore_port: int = Field(55432, ge=1024, le=65535)
    """Names a scratch instance's socket. No network port is opened."""
    restore_memory_mb: int = Field(256, ge=128)
    """Memory (MiB) of a scratch instance."""
    restore_seconds: int = Field(3600, ge=60)
    """How long a scratch instance may take to replay the archive up to its moment."""

    restore_drill_schedule: Calendar = "Wed 04:30"
    """When a restore is rehearsed. Repositories take turns."""
    restore_drill_max_age_days: int = Field(8, ge=1, le=366)
    """The checks call the last rehearsal too old after this; with two repositories, each one after twice that."""

    target: str | None = Field(None, exclude=True)
    """Only for tasks/restore.py, as --data target=...: "latest", a time with its zone, "name:RESTORE-POINT", or an
    LSN."""
    repository: int = Field(1, ge=1, le=2, exclude=True)
    """Only for tasks/restore.py and tasks/restore_redis.py: the repository to restore from."""
    from_backup: str = Field("", pattern=r"^[0-9A-Z_-]*$", exclude=True)
    """Only for tasks/restore.py: the backup to begin with (its label), instead of the one that fits."""
    timeline: str = Field("latest", pattern=r"^(latest|current|[0-9]{1,8})$", exclude=True)
    """Only for tasks/restore.py: the timeline to follow: to reach a moment that a restore in place left behind."""
    into: Literal["scratch", "cluster"] = Field("scratch", exclude=True)
    """Only for tasks/restore.py: "cluster" replaces the databases themselves."""
    confirm: str = Field("", exclude=True)
    """Only for tasks/restore.py with into=cluster: the product's domain, a space, and the target."""
    replace: bool = Field(False, exclude=True)
    """Only for tasks/restore.py, as --data replace=true: throw away what an earlier restore of this moment left."""

    begin_anew: str = Field("", pattern=r"^([0-9]{15,20})?$", exclude=True)
    """Only for deploys/backup.py: the system identifier of another cluster, whose backups are kept aside so that a new
    repository can begin."""

    @field_validator("begin_anew", mode="before")
    @classmethod
    def _begin_anew(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value  # as pyinfra reads it from the command line

    @field_validator("target", mode="before")
    @classmethod
    def _target(cls, value: object) -> object:
        if value is None or value == "latest":
            return value
        parse(str(value))
        return str(value)

    @property
    def bucket(self) -> Bucket | None:
        """The bucket of the second repository, if there is to be one."""
        if self.backup_s3_bucket is None:
            return None
        return Bucket(self.backup_s3_bucket, self.backup_s3_region, self.backup_s3_lock_days, self.backup_s3_lock_mode)

    @property
    def storage(self) -> ObjectStorage:
        """Where that bucket is."""
        path_style = self.backup_s3_uri_style == "path"
        return ObjectStorage(self.backup_s3_region, self.backup_s3_endpoint, self.backup_s3_ca, path_style)
