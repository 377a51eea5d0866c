"""Backups of PostgreSQL by pgBackRest, and restores."""

from xteam_infra.secrets import Secret as _Secret

# Directory of the repository on the backup host. Give it a file system of its own.
backup_path = "/var/lib/pgbackrest"

# The key that encrypts the repository: a name in the secrets store, made by the first run. Only the backup host gets
# it. Without it no backup can be read: keep the secrets store's own backup elsewhere.
backup_encryption_key = _Secret("backup/repo1-cipher")

# When backups begin, as systemd calendar expressions. In between, every change is in the WAL archive.
backup_full_schedule = "Sun 01:30"
backup_differential_schedule = "Mon..Sat 01:30"

# Any moment of the last so many days can be restored.
backup_retention_days = 14

# When every file of each repository is read and compared with its checksum.
backup_verify_schedule = "Sat 04:30"

# A second repository in an S3 bucket, in another region; the deploy makes the bucket, with versions and object lock.
# None: one repository. The access key belongs to the backup host; docs/operations/backup.md has the rights it needs.
backup_s3_bucket = None
backup_s3_region = ""
backup_s3_key_id = _Secret("backup/s3-key-id", "never")
backup_s3_key = _Secret("backup/s3-key", "never")

# With which rights the controller makes the bucket: "own" (as boto3 finds them) or "key" (the backup host's).
backup_s3_controller = "own"

# Object storage other than AWS: host or host:port, a file with its certificate authority, "path" for its addresses.
backup_s3_endpoint = ""
backup_s3_ca = ""
backup_s3_uri_style = "host"

# The second repository's key, how long it can restore any moment, and when its backups begin.
backup_s3_encryption_key = _Secret("backup/repo2-cipher")
backup_s3_retention_days = 30
backup_s3_full_schedule = "Sun 03:30"
backup_s3_differential_schedule = "Mon..Sat 03:30"

# For so many days nobody with the backup host's key can destroy what is in the bucket. GOVERNANCE: an account with a
# special right can. COMPLIANCE: nobody can, not even you.
backup_s3_lock_days = 14
backup_s3_lock_mode = "GOVERNANCE"

# The checks complain when the newest backup, or the newest full backup, is older.
backup_max_age_hours = 26
backup_full_max_age_days = 8

# Processes that read, compress and send at a time; about a quarter of a database host's cores.
backup_processes = 2

# Zstandard's level, 1 (fast) to 19 (small).
backup_compress_level = 3

# Memory (MiB) a running backup may use on the backup host.
backup_memory_mb = 256

# WAL (GB) that may wait on a database host while the repository is away. None: no limit; the disk fills, nothing is
# lost. With a limit, WAL beyond it is dropped and the moments after it can't be restored until the next backup.
backup_archive_queue_max_gb = None

# Scratch instances of tasks/restore.py on the backup host: where, the number in their socket's name, their memory
# (MiB), and how long (seconds) one may replay the archive.
restore_directory = "/var/lib/xteam/restore"
restore_port = 55432
restore_memory_mb = 256
restore_seconds = 3600

# When a restore is rehearsed (repositories take turns), and the days after which the checks call the last one too old.
restore_drill_schedule = "Wed 04:30"
restore_drill_max_age_days = 8
