"""Backups of Redis without any host: what is refused, and where the snapshots go."""

import pytest

from xteam_infra.errors import SettingsError
from xteam_infra.layers.files.restic_validation import opens, reachable
from xteam_infra.layers.redis_backup.needs import jobs, needs, repositories
from xteam_infra.layers.redis_backup.restore import validate_restore
from xteam_infra.secrets import Secret

S3 = {"backup_s3_bucket": "xteam-backups", "backup_s3_region": "eu-west-1"}
RESTORE = {"redis_restore_role": "queue", "redis_restore_confirm": "replace queue"}


def test_one_repository_without_a_bucket(ha):
    estate = ha.read()
    [only] = repositories(estate)
    assert (only.number, only.url) == (1, "/var/lib/xteam/redis-backup/restic")
    assert [job.name for job in jobs(estate)] == ["backup", "prove"]


def test_a_copy_in_the_bucket_of_all_backups(ha):
    ha.own |= S3
    estate = ha.read()
    first, second = repositories(estate)
    assert second.url == "s3:https://s3.eu-west-1.amazonaws.com:443/xteam-backups/redis"
    assert second.options == ("-o", "s3.region=eu-west-1", "-o", "s3.bucket-lookup=auto")
    assert first.cipher != second.cipher and first.password_file != second.password_file
    assert "xteam-redis-copy.timer" in needs(estate, estate.machine("backup1")).units
    assert not needs(estate, estate.machine("redis1")).units


def test_object_storage_of_ones_own(ha, tmp_path):
    authority = tmp_path / "ca.crt"
    authority.write_text("x")
    own = {"backup_s3_endpoint": "s3.example.net:9443", "backup_s3_uri_style": "path", "backup_s3_ca": str(authority)}
    ha.own |= S3 | own
    second = repositories(ha.read())[1]
    assert second.url == "s3:https://s3.example.net:9443/xteam-backups/redis"
    assert {"s3.bucket-lookup=path", "--cacert"} <= set(second.options)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        (
            "redis_backup_s3_encryption_key",
            Secret("redis/backup-cipher"),
            "another secret than redis_backup_encryption_key",
        ),
        (
            "redis_backup_s3_encryption_key",
            Secret("backup/repo2-cipher"),
            "another secret than backup_s3_encryption_key",
        ),
        ("redis_backup_s3_encryption_key", "correct horse battery staple", "never the value"),
        ("redis_backup_encryption_key", "correct horse battery staple", "never the value"),
        ("redis_backup_s3_schedule", "hourly", "a time after redis_backup_schedule"),
        ("redis_backup_s3_schedule", "soon", "systemd calendar expression"),
        ("redis_backup_s3_keep", {}, "at least 1"),
        ("redis_backup_s3_keep.hourly", {"hourly": 0}, "greater than or equal to 1"),
        ("redis_backup_s3_max_age_minutes", 1, "greater than or equal to 10"),
    ],
)
def test_a_copy_that_cannot_be(ha, key, value, allowed):
    ha.own |= {**S3, key.partition(".")[0]: value}
    said = ha.problems()[key]
    assert allowed in said and "horse" not in said, said


@pytest.mark.parametrize(
    ("data", "allowed"),
    [
        ({"redis_restore_role": "cache"}, "one of queue, sessions, blacklist"),
        ({"redis_restore_confirm": "yes"}, "replace queue"),
        ({"repository": 2}, "1: backup_s3_bucket is not set"),
    ],
)
def test_a_restore_that_is_not_clear(ha, data, allowed):
    ha.own |= {**RESTORE, **data}
    with pytest.raises(SettingsError, match=allowed):
        validate_restore(ha.read())


def test_a_restore_from_the_bucket(ha):
    ha.own |= {**S3, **RESTORE, "repository": 2}
    validate_restore(ha.read())


def test_another_password_or_access_key_is_tried_before_it_is_written(ha):
    ha.own |= S3
    first, second = repositories(ha.read())
    assert "give redis/backup-cipher in the secrets store its old value" in opens(first)
    assert "give redis/backup-s3-cipher" in opens(second)
    assert "AWS_SHARED_CREDENTIALS_FILE={} " in reachable(second) and "{}" in opens(second)
