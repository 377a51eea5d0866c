"""The reference to a secret: what settings, plans and templates carry instead of the value."""

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class Secret:
    """Names a value in the secrets store.

    name: path in the store, such as "postgres/app".
    generate: how a missing value is made: "token" (64 random characters of A-Z, a-z, 0-9: 381 bits),
        or "never" for values only their owner can supply (a Sentry DSN, an API key).
    """

    name: str
    generate: str = "token"

    def __str__(self) -> str:
        return f"<secret {self.name}>"
