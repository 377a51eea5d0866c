"""Where object storage is, and how this controller speaks to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

# Object storage that does not answer must fail the run in seconds, not after botocore's default minutes.
CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 30, 3


@dataclass(frozen=True)
class ObjectStorage:
    """An S3 endpoint.

    endpoint: host or host:port; empty: AWS's own for the region. ca: a file of the authority to trust, beside none
    (the system's). path_style: the bucket stands in the path instead of the host name.
    """

    region: str
    endpoint: str = ""
    ca: str = ""
    path_style: bool = False

    @property
    def host(self) -> str:
        """The name a client connects to."""
        return (self.endpoint or f"s3.{self.region}.amazonaws.com").partition(":")[0]

    @property
    def port(self) -> int:
        """The port a client connects to."""
        return int(self.endpoint.partition(":")[2] or 443)


def client(storage: ObjectStorage, key: tuple[str, str] | None = None) -> Any:
    """A boto3 client. key: access key and its secret; None: as boto3 finds them (profile, role, environment)."""
    own = dict(zip(("aws_access_key_id", "aws_secret_access_key"), key, strict=True)) if key else {}
    return boto3.client(
        "s3",
        region_name=storage.region,
        endpoint_url=f"https://{storage.host}:{storage.port}" if storage.endpoint else None,
        verify=str(Path(storage.ca).expanduser()) if storage.ca else None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": TRIES},
            s3={"addressing_style": "path" if storage.path_style else "auto"},
        ),
        **own,
    )
