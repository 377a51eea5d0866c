"""A bucket for backups: what it must be, what it is, and the calls that make it so."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

MULTIPART_DAYS = 7
TAG = {"Key": "managed-by", "Value": "xteam-infra"}
# What S3 answers when a part was never configured, or the bucket is not there.
ABSENT = ("NoSuch", "NotFound", "404")


@dataclass(frozen=True)
class Bucket:
    """A bucket whose objects nobody can quietly destroy.

    lock_days: how long each version of an object can't be deleted; versions that were replaced or deleted are kept
        as long. lock_mode: "GOVERNANCE" (an account with a special right can), or "COMPLIANCE" (nobody can).
    """

    name: str
    region: str
    lock_days: int
    lock_mode: str = "GOVERNANCE"

    def wanted(self) -> dict[str, Any]:
        """Every part's value, by its name in PARTS."""
        arn = f"arn:aws:s3:::{self.name}"
        return {
            "versioning": "Enabled",
            "object lock": {"Mode": self.lock_mode, "Days": self.lock_days},
            "public access": dict.fromkeys(PUBLIC_ACCESS, True),
            "encryption": "AES256",
            "tags": [TAG],
            "lifecycle": [
                {
                    "ID": "xteam-infra",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "Expiration": {"ExpiredObjectDeleteMarker": True},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": self.lock_days},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": MULTIPART_DAYS},
                }
            ],
            "policy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "TlsOnly",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [arn, f"{arn}/*"],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
        }

    def create(self, s3: Any) -> None:
        """Make it, with object lock from the start. us-east-1 is the region that must not be named."""
        where = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        options = {"CreateBucketConfiguration": where} if where else {}
        s3.create_bucket(Bucket=self.name, ObjectLockEnabledForBucket=True, **options)


@dataclass(frozen=True)
class Part:
    """One thing that is configured of a bucket. read: from the client and the bucket's name; write: and the value."""

    read: Callable[[Any, str], Any]
    write: Callable[[Any, str, Any], object]


PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _read_lock(s3: Any, name: str) -> dict[str, Any]:
    rule = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"].get("Rule", {})
    return {key: value for key, value in rule.get("DefaultRetention", {}).items() if value}


def _write_lock(s3: Any, name: str, value: dict[str, Any]) -> object:
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": value}}
    return s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)


def _read_encryption(s3: Any, name: str) -> str:
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    algorithm: str = rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    return algorithm


def _write_encryption(s3: Any, name: str, value: str) -> object:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": value}}]
    return s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})


# In the order they are written: a lock needs versions.
PARTS = {
    "versioning": Part(
        lambda s3, name: s3.get_bucket_versioning(Bucket=name).get("Status"),
        lambda s3, name, value: s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": value}),
    ),
    "object lock": Part(_read_lock, _write_lock),
    "public access": Part(
        lambda s3, name: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        lambda s3, name, value: s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=value),
    ),
    "encryption": Part(_read_encryption, _write_encryption),
    "tags": Part(
        lambda s3, name: s3.get_bucket_tagging(Bucket=name)["TagSet"],
        lambda s3, name, value: s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": value}),
    ),
    "lifecycle": Part(
        lambda s3, name: s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"],
        lambda s3, name, value: s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": value}
        ),
    ),
    "policy": Part(
        lambda s3, name: json.loads(s3.get_bucket_policy(Bucket=name)["Policy"]),
        lambda s3, name, value: s3.put_bucket_policy(Bucket=name, Policy=json.dumps(value)),
    ),
}


def live(s3: Any, bucket: Bucket) -> dict[str, Any] | None:
    """What is configured now, by part; None when there is no such bucket. Raises botocore's errors."""
    try:
        s3.head_bucket(Bucket=bucket.name)
    except ClientError as error:
        if _absent(error):
            return None
        raise
    # AWS names no region for us-east-1.
    found = {"region": s3.get_bucket_location(Bucket=bucket.name).get("LocationConstraint") or "us-east-1"}
    for name, part in PARTS.items():
        try:
            found[name] = part.read(s3, bucket.name)
        except ClientError as error:
            if not _absent(error):
                raise
            found[name] = None
    return found


def difference(bucket: Bucket, found: dict[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """Part to (found, wanted), where they differ. Without a bucket: every part."""
    return {
        name: ((found or {}).get(name), wanted)
        for name, wanted in bucket.wanted().items()
        if (found or {}).get(name) != wanted
    }


def _absent(error: ClientError) -> bool:
    return any(word in error.response["Error"]["Code"] for word in ABSENT)
