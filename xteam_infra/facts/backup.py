"""State of pgBackRest's repositories."""

import json
from typing import NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

# Codes of `pgbackrest info`.
OK, NO_BACKUP = 0, 2


class RepositoryState(NamedTuple):
    """exists: the stanza is there and its key fits; backups: labels, oldest first; message: pgBackRest's own words."""

    exists: bool
    backups: tuple[str, ...]
    message: str


class Repository(FactBase[RepositoryState]):
    """What pgBackRest says of its stanza on the repository host."""

    @staticmethod
    @override
    def default() -> RepositoryState:
        return RepositoryState(False, (), "pgBackRest gives no answer")

    @override
    def command(self, stanza: str) -> StringCommand:
        # Fails on a bare host, where it is simply not there yet. With a wrong key it quotes bytes that are no text.
        return StringCommand(
            "cd / && runuser -u postgres -- pgbackrest", QuoteString(f"--stanza={stanza}"),
            "--output=json --log-level-console=off info 2>/dev/null | LC_ALL=C tr -cd '\\11\\12\\40-\\176'",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> RepositoryState:
        try:
            [stanza] = json.loads("\n".join(output))
        except ValueError:
            return self.default()
        code = stanza["status"]["code"]
        good = tuple(backup["label"] for backup in stanza["backup"] if not backup["error"])
        return RepositoryState(code in (OK, NO_BACKUP), good, stanza["status"]["message"])
