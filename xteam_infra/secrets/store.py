"""The protocol of a secrets store, and the choice of one by its address."""

from typing import Protocol

from xteam_infra.errors import SecretsError


class Store(Protocol):
    """Four methods make a store. All raise SecretsError when the store can't be reached or refuses."""

    def get(self, name: str) -> str | None:
        """The value, or None when the store holds none of that name."""

    def create(self, name: str, value: str) -> str:
        """Store a new value and return the one that stands: another controller may have been first."""

    def replace(self, name: str, value: str) -> None:
        """Let a value stand in place of another, or where there was none."""

    def remove(self, name: str) -> None:
        """Forget a value; nothing happens when there is none."""


def open_store(address: str) -> Store:
    """Open the store named by `secrets_store`.

    address: "file:PATH" (a 0600 JSON file: lab and single hosts), or
        "aws:REGION/PREFIX" (AWS Secrets Manager; credentials as boto3 finds them).
    """
    kind, _, rest = address.partition(":")
    if kind == "file" and rest:
        from xteam_infra.secrets.file_store import FileStore

        return FileStore(rest)
    if kind == "aws" and rest:
        from xteam_infra.secrets.aws_store import AwsStore

        region, _, prefix = rest.partition("/")
        return AwsStore(region, prefix or "xteam")
    raise SecretsError(
        f'secrets_store = {address!r} in group_data/all.py is not a store; allowed: "file:PATH" or "aws:REGION/PREFIX"'
    )
