"""State of a host's data volume, of the encrypted directory on it, and of tang's keys."""

import json
from typing import Any, NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from xteam_infra.layers.storage.needs import DATA_DIRECTORY, TANG_DIRECTORY


class Volume(NamedTuple):
    """fstype: file system that holds the path; plain: a database lies in the data directory, outside any encrypted
    directory."""

    fstype: str
    plain: bool


class DataVolume(FactBase[Volume]):
    """What is known of a volume before any package is installed."""

    @override
    def command(self, path: str) -> StringCommand:
        return StringCommand(
            "p=", QuoteString(path), '; while [ ! -e "$p" ]; do p=$(dirname "$p"); done;',
            'echo "fstype=$(findmnt -nro FSTYPE -T "$p")";',
            f"if [ -e {DATA_DIRECTORY}/main ] && ! findmnt -n {DATA_DIRECTORY} >/dev/null; then echo plain=yes; fi",
            _separator="",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> Volume:
        values = dict(line.split("=", 1) for line in output if "=" in line)
        return Volume(values.get("fstype", ""), "plain" in values)


class DirectoryState(NamedTuple):
    """exists: the encrypted directory is there; binding: which Tang servers it is bound to, None when to none."""

    exists: bool
    is_open: bool
    binding: dict[str, Any] | None


class EncryptedDirectory(FactBase[DirectoryState]):
    """What xteam-storage says of the host's encrypted directory."""

    @staticmethod
    @override
    def default() -> DirectoryState:
        return DirectoryState(False, False, None)

    @override
    def command(self) -> str:
        return "if test -x /usr/local/sbin/xteam-storage; then xteam-storage status; fi"

    @override
    def process(self, output: list[str]) -> DirectoryState:
        if not output:
            return self.default()
        found = json.loads("\n".join(output))
        return DirectoryState(found["exists"], found["unlocked"], found["binding"])


class TangKeys(FactBase[tuple[str, ...]]):
    """Thumbprints of the keys with which tang signs what it advertises; none before it has keys."""

    default = tuple

    @override
    def command(self) -> str:
        use = 'jose jwk use -i "$key" -r -u verify -o- 2>/dev/null | jose jwk thp -i- -a S256 2>/dev/null; echo'
        return f"for key in {TANG_DIRECTORY}/*.jwk; do {use}; done; true"

    @override
    def process(self, output: list[str]) -> tuple[str, ...]:
        return tuple(sorted(line for line in output if line.strip()))
