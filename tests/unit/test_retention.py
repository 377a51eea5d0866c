"""How long backups hold what was erased."""

from xteam_infra.layers.backup.retention import backup_days

S3 = {"backup_s3_bucket": "xteam-backups", "backup_s3_region": "eu-west-1"}
SHORT = {"redis_backup_keep": {"hourly": 25}, "files_backup_keep": {"daily": 5}}


def test_without_backups_nothing_holds_it(ha):
    ha.hosts = {name: groups for name, groups in ha.hosts.items() if "backup" not in groups}
    assert backup_days(ha.read()) == 0


def test_the_longest_retention_counts(ha):
    ha.own |= {**SHORT, "backup_retention_days": 10, "backup_full_max_age_days": 8}
    assert backup_days(ha.read()) == 18, "PostgreSQL's: the full backup before lasts until the next is old enough"
    ha.own |= {"files_backup_keep": {"hourly": 1, "monthly": 6}}
    assert backup_days(ha.read()) == 186


def test_a_bucket_keeps_it_until_its_lock_has_ended(ha):
    copies = {"redis_backup_s3_keep": {"daily": 3}, "files_backup_s3_keep": {"weekly": 13}}
    ha.own |= {**S3, **SHORT, **copies, "backup_s3_retention_days": 30, "backup_s3_lock_days": 14}
    assert backup_days(ha.read()) == 13 * 7 + 14 + 1
