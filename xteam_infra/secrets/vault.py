"""One run's view of the store: generates what is missing and remembers what may never be shown."""

import secrets
import string
from collections.abc import Callable

from xteam_infra.errors import SecretsError
from xteam_infra.secrets.mask import MASK
from xteam_infra.secrets.reference import Secret
from xteam_infra.secrets.store import Store

ALPHABET = string.ascii_letters + string.digits
TOKEN_LENGTH = 64


def make_token() -> str:
    """64 characters of A-Z, a-z, 0-9: safe unquoted in every file format and URL the deploys write."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


class Vault:
    """Resolves references.

    A missing value is generated at once but stored only when `may_write()` says so: a dry run leaves no trace,
    and in a real run the value is in the store before it reaches any host.
    """

    def __init__(self, store: Store, may_write: Callable[[], bool] = lambda: True):
        self._store, self._may_write = store, may_write
        self._values: dict[str, str] = {}
        self._unstored: set[str] = set()

    def resolve(self, secret: Secret, make: Callable[[], str] = make_token) -> str:
        """The value. Raises SecretsError when it is missing and only its owner can supply it."""
        name = secret.name
        if name not in self._values:
            value = self._store.get(name)
            if value is None:
                value = self._missing(secret, make)
            self._values[name] = value
        MASK.add(name, self._values[name])
        if self._may_write():
            self.store_generated()
        return self._values[name]

    def store_generated(self) -> None:
        """Store what was generated. Raises SecretsError when another run has made the same secret meanwhile."""
        for name in sorted(self._unstored):
            if self._store.create(name, self._values[name]) != self._values[name]:
                raise SecretsError(f"another run has just made secret {name}: run again, it will be used")
            self._unstored.discard(name)

    def succeed(self, secret: Secret, by: Secret) -> None:
        """From now on in this run `secret` has the value of `by`. The store learns of it by `hand_over`."""
        self._values[secret.name] = self.resolve(by)
        self._unstored.discard(secret.name)

    def hand_over(self, secret: Secret, by: Secret) -> None:
        """Store the value of `by` as that of `secret`. Both stay in the store until `forget`."""
        self._store.replace(secret.name, self.resolve(by))

    def forget(self, secret: Secret) -> None:
        """Remove a value that nothing uses any more."""
        self._store.remove(secret.name)
        self._unstored.discard(secret.name)

    def exists(self, secret: Secret) -> bool:
        """Whether the store already holds a value: nothing is generated."""
        return secret.name in self._values or self._store.get(secret.name) is not None

    def _missing(self, secret: Secret, make: Callable[[], str]) -> str:
        if secret.generate == "never":
            raise SecretsError(f"secret {secret.name} is not in the store and can't be generated: put its value there")
        self._unstored.add(secret.name)
        return make()

    def known(self) -> dict[str, str]:
        """Every value resolved so far by name: for redaction only."""
        return dict(self._values)
