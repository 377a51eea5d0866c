"""Where restic keeps snapshots: repositories on the backup host, and in the bucket if there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xteam_infra.estate import Estate
from xteam_infra.secrets import Secret


@dataclass(frozen=True)
class Repository:
    """number: 1 on the host, 2 in the bucket. url, options: restic's. keep: how many by period.

    password_file: where its password is, on the backup host alone. credentials: the file with the bucket's access key.
    """

    number: int
    url: str
    cipher: Secret
    keep: Mapping[Any, int]
    password_file: str
    options: tuple[str, ...] = ()
    credentials: str = ""


def in_bucket(estate: Estate, prefix: str, authority: str) -> tuple[str, tuple[str, ...]]:
    """restic's address of a repository below `prefix`, and its options. authority: a file, if storage has its own."""
    bucket, storage = estate.backup.bucket, estate.backup.storage
    assert bucket, "asked only where a bucket is declared"
    options = (
        *("-o", f"s3.region={bucket.region}"),
        *("-o", f"s3.bucket-lookup={'path' if storage.path_style else 'auto'}"),
        *(("--cacert", authority) if storage.ca else ()),
    )
    return f"s3:https://{storage.host}:{storage.port}/{bucket.name}/{prefix}", options
