"""The bucket with the second repository, asked of S3 by the verifier itself."""

import pytest

from checklist.run import not_applicable
from xteam_infra.cloud import live

pytestmark = pytest.mark.group("backup", first=True)


@pytest.fixture
def configured(estate, s3):
    """What S3 says of the bucket, part by part; None where it says that nothing is configured."""
    if not s3:
        not_applicable("backup_s3_bucket is not set: there is one repository")
    found = live(s3, estate.backup.bucket)
    assert found, f"there is no bucket {estate.backup.backup_s3_bucket}"
    return found


@pytest.mark.item("BAK-06")
def test_a_repository_is_in_another_region(host, estate, s3):
    """What burns down one region must not take the databases and all their backups."""
    regions = {machine.region for machine in estate.members("postgres")}
    places = {host.machine.region}
    if s3:
        places.add(live(s3, estate.backup.bucket)["region"])
    assert places - regions, (
        f"backups are in region {', '.join(places)}, as a database is: give the backup host another region, "
        "or set backup_s3_bucket"
    )


@pytest.mark.item("BAK-06", kind="cloud")
def test_bucket_object_lock_prevents_deletion(estate, s3, configured):
    """Versions are kept, and locked for the declared days; so is what was written last."""
    assert configured["versioning"] == "Enabled", "the bucket keeps no versions"
    wanted = {"Mode": estate.backup.backup_s3_lock_mode, "Days": estate.backup.backup_s3_lock_days}
    assert configured["object lock"] == wanted, f"objects are locked by {configured['object lock'] or 'nothing'}"
    if estate.members("postgres"):
        name = {"Bucket": estate.backup.backup_s3_bucket}
        [newest, *_] = s3.list_object_versions(**name, Prefix="pgbackrest/backup/main/backup.info")["Versions"]
        head = s3.head_object(**name, Key=newest["Key"], VersionId=newest["VersionId"])
        assert head.get("ObjectLockMode") == wanted["Mode"], f"{newest['Key']} is not locked"


@pytest.mark.item("BAK-06", kind="cloud")
def test_bucket_blocks_public_access(configured):
    """To the public, to whoever comes without TLS, and at rest."""
    blocked = configured["public access"]
    assert blocked and all(blocked.values()), f"the bucket may be made public: {blocked}"
    denied = [one for one in (configured["policy"] or {}).get("Statement", []) if one["Effect"] == "Deny"]
    tls_only = {"Bool": {"aws:SecureTransport": "false"}}
    assert any(one.get("Condition") == tls_only and one["Action"] == "s3:*" for one in denied), "TLS is not required"
    assert configured["encryption"], "the bucket does not encrypt"


@pytest.mark.item("COST-06", kind="cloud")
def test_bucket_lifecycle_expires_old_versions(estate, configured):
    """When their lock ends; uploads that broke off go earlier."""
    rules = configured["lifecycle"] or []
    kept = [one.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for one in rules]
    assert estate.backup.backup_s3_lock_days in kept, "replaced and deleted versions are kept, and paid for, for ever"
    assert any("AbortIncompleteMultipartUpload" in one for one in rules), "broken uploads are kept for ever"
