"""How long backups hold what was erased: the answer to a person who wants to be forgotten."""

from collections.abc import Mapping
from math import ceil

from xteam_infra.estate import Estate
from xteam_infra.settings.redis_backup import Period

PERIOD_DAYS: dict[Period, float] = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 31.0}
# A bucket's lifecycle runs once a day.
LIFECYCLE_DAYS = 1


def backup_days(estate: Estate) -> int:
    """Days until no backup holds any more what is erased today, while backups go on as declared; 0: there are none."""
    backup, redis, files = estate.backup, estate.redis, estate.files
    if not estate.members("backup"):
        return 0
    # What a full backup has is kept until the next one is as old as the retention.
    full = backup.backup_full_max_age_days
    days = [
        backup.backup_retention_days + full,
        _longest(redis.redis_backup_keep),
        _longest(files.files_backup_keep),
    ]
    if backup.bucket:
        copies = [
            backup.backup_s3_retention_days + full,
            _longest(redis.redis_backup_s3_keep),
            _longest(files.files_backup_s3_keep),
        ]
        # What was removed there stays, hidden, until its lock has ended.
        days.append(max(copies) + backup.backup_s3_lock_days + LIFECYCLE_DAYS)
    return max(days)


def _longest(keep: Mapping[Period, int]) -> int:
    return ceil(max(count * PERIOD_DAYS[period] for period, count in keep.items()))
