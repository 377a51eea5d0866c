"""Which credentials an environment file on the host holds, as one hash."""

import hashlib

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from xteam_infra.secrets.escape import env


def lines_of(user: str, password: str) -> str:
    """The two lines as the application's environment files have them."""
    return f'POSTGRES_USER="{user}"\nPOSTGRES_PASSWORD="{env(password)}"\n'


def digest_of(user: str, password: str) -> str:
    """What the fact reports for these credentials."""
    return hashlib.sha256(lines_of(user, password).encode()).hexdigest()


class Credentials(FactBase[str]):
    """Hash of the lines of user and password in `path`; empty while there is no such file."""

    @override
    def command(self, path: str) -> StringCommand:
        file = QuoteString(path)
        both = "grep -h '^POSTGRES_USER=' $f; grep -h '^POSTGRES_PASSWORD=' $f"
        return StringCommand("f=", file, f"; test -f $f && {{ {both}; }} | sha256sum | cut -c1-64; true", _separator="")

    @override
    def process(self, output: list[str]) -> str:
        return output[0] if output else ""
