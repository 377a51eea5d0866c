"""The bucket of the second repository, against S3's protocol: made, left alone, drifted, repaired, refused."""

import pytest
from botocore.exceptions import ClientError
from pyinfra.context import ctx_host, ctx_state

from xteam_infra.cloud import Bucket, ObjectStorage, client, difference, live
from xteam_infra.cloud.bucket import PARTS
from xteam_infra.errors import SettingsError
from xteam_infra.layers.backup.bucket import bucket, require_usable_bucket

moto = pytest.importorskip("moto")
BUCKET = Bucket("xteam-backups", "eu-central-1", lock_days=14)
KEYS = {"bucket": "b_bucket", "region": "b_region", "endpoint": "b_endpoint", "key": "b_key", "file": "group_data/b.py"}
DRIFT = {
    "versioning": lambda s3: s3.put_bucket_versioning(
        Bucket=BUCKET.name, VersioningConfiguration={"Status": "Suspended"}
    ),
    "object lock": lambda s3: s3.put_object_lock_configuration(
        Bucket=BUCKET.name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    ),
    "public access": lambda s3: s3.delete_public_access_block(Bucket=BUCKET.name),
    "encryption": lambda s3: s3.delete_bucket_encryption(Bucket=BUCKET.name),
    "tags": lambda s3: s3.delete_bucket_tagging(Bucket=BUCKET.name),
    "lifecycle": lambda s3: s3.delete_bucket_lifecycle(Bucket=BUCKET.name),
    "policy": lambda s3: s3.delete_bucket_policy(Bucket=BUCKET.name),
}


@pytest.fixture
def s3():
    """A local stand-in for S3."""
    with moto.mock_aws():
        yield client(ObjectStorage(BUCKET.region), ("x", "y"))


def commands(s3, wanted=BUCKET):
    return list(bucket._inner(wanted, s3))


def carry_out(s3):
    for command in commands(s3):
        assert executed(command) is True


def executed(command):
    """What pyinfra is told of a command: it goes on unless that is False."""
    return command.execute(ctx_state.get(), ctx_host.get(), {})


def test_it_is_made_and_then_left_alone(s3, local_host):
    assert live(s3, BUCKET) is None
    assert len(commands(s3)) == 1 + len(PARTS)
    assert live(s3, BUCKET) is None, "asking what is to be done did it"
    carry_out(s3)
    assert difference(BUCKET, live(s3, BUCKET)) == {}
    assert commands(s3) == []


@pytest.mark.parametrize("part", PARTS)
def test_whatever_drifts_is_found_and_repaired_alone(s3, local_host, part):
    carry_out(s3)
    DRIFT[part](s3)
    assert list(difference(BUCKET, live(s3, BUCKET))) == [part]
    assert len(commands(s3)) == 1
    carry_out(s3)
    assert commands(s3) == []


def test_refused_change_ends_the_run(s3, local_host):
    carry_out(s3)
    DRIFT["tags"](s3)
    (command,) = commands(s3)
    s3.delete_bucket(Bucket=BUCKET.name)
    assert executed(command) is False


def test_another_region_is_refused(s3, local_host):
    carry_out(s3)
    with pytest.raises(SettingsError, match=r"b_region(.|\n)*eu-central-1, or another bucket"):
        require_usable_bucket(Bucket(BUCKET.name, "eu-west-1", 14), s3, KEYS)


def test_a_key_without_rights_is_refused_by_name():
    class Refusing:
        def head_bucket(self, **_):
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket")

    with pytest.raises(SettingsError, match=r"b_bucket(.|\n)*b_key"):
        require_usable_bucket(BUCKET, Refusing(), KEYS)


def test_an_endpoint_that_does_not_answer_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("xteam_infra.cloud.storage.TRIES", 1)
    nowhere = client(ObjectStorage("eu-central-1", "127.0.0.1:1", path_style=True), ("x", "y"))
    with pytest.raises(SettingsError, match="b_endpoint"):
        require_usable_bucket(BUCKET, nowhere, KEYS)
