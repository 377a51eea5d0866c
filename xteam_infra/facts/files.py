"""State of many files in one round trip."""

from typing import NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override


class FileState(NamedTuple):
    """Owner, group, mode (octal digits) and SHA-256 of a regular file; sha256 is "-" for a directory."""

    user: str
    group: str
    mode: str
    sha256: str


class FileStates(FactBase[dict[str, FileState]]):
    """{path: FileState} of those paths that exist."""

    default = dict

    @override
    def command(self, paths: list[str]) -> StringCommand:
        quoted = [QuoteString(path) for path in paths]
        return StringCommand(
            "stat -c 'S %U %G %a %n' --", *quoted, "2>/dev/null;",
            "sha256sum --", *quoted, "2>/dev/null | sed 's/^/H /'; true",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> dict[str, FileState]:
        hashes = {}
        for line in output:
            if line.startswith("H "):
                sha256, path = line[2:].split(maxsplit=1)
                hashes[path] = sha256
        states = {}
        for line in output:
            if line.startswith("S "):
                user, group, mode, path = line[2:].split(maxsplit=3)
                states[path] = FileState(user, group, mode, hashes.get(path, "-"))
        return states


class FileText(FactBase[str]):
    """The text of a file, for diffs; empty when it is not there."""

    default = str

    @override
    def command(self, path: str) -> StringCommand:
        return StringCommand("! test -f", QuoteString(path), "|| cat", QuoteString(path))
