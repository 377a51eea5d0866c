"""A directory in a bucket, moved: each object is copied, then the old one removed, for storage knows no renaming."""

from base64 import b64encode
from hashlib import md5
from typing import Any

# What says whose the rest is: gone last, so that a move that broke off is seen, and can be repeated.
LAST = (".info", ".info.copy")
DELETED_AT_ONCE = 1000


def move(s3: Any, bucket: str, source: str, target: str) -> int:
    """Move everything below one prefix of a bucket below another; how many objects. Raises botocore's errors.

    Can be repeated. The bucket keeps the removed objects, hidden, until their lock ends.
    """
    s3.meta.events.register("before-call.s3.CopyObject", _with_digest)
    keys = sorted(_below(s3, bucket, source), key=lambda key: (key.endswith(LAST), key))
    for key in keys:
        s3.copy_object(
            CopySource={"Bucket": bucket, "Key": key}, Bucket=bucket, Key=f"{target}{key.removeprefix(source)}"
        )
    for first in range(0, len(keys), DELETED_AT_ONCE):
        some = [{"Key": key} for key in keys[first : first + DELETED_AT_ONCE]]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
    return len(keys)


def _with_digest(params: dict[str, Any], **_: Any) -> None:
    """Storage that locks what is written may want a digest with each request, of one without a body too."""
    params["headers"]["Content-MD5"] = b64encode(md5(b"", usedforsecurity=False).digest()).decode()


def _below(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]
