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


# Values that a person, or an earlier version, wrote into a file that everybody may read. The host itself hides them, so
# that they are in no output of the fact either.
_KEYS = r"[A-Za-z0-9_.-]*(password|passwd|passphrase|pass|masterauth|secret|token|api_?key|access_?key|dsn)\b"
_HIDE = (
    "/-----BEGIN [A-Z ]*PRIVATE KEY/,/-----END [A-Z ]*PRIVATE KEY/ s/.*/<not shown>/",
    rf"s/({_KEYS}[\"']?[[:space:]]*[=:[:space:]][[:space:]]*)[^[:space:]].*/\1<not shown>/I",
    r"s,(://[^/@:[:space:]]*:)[^@[:space:]]+@,\1<not shown>@,g",
)


class FileText(FactBase[str]):
    """The text of a file that everybody may read, for diffs, without passwords; empty when it is not there."""

    default = str

    @override
    def command(self, path: str) -> StringCommand:
        words = [bit for one in _HIDE for bit in ("-e", QuoteString(one))]
        return StringCommand("! test -f", QuoteString(path), "|| sed -E", *words, QuoteString(path))


class KnownLines(FactBase[list[int]]):
    """Of each line of a file: its number in the text on standard input, or 0. Nothing of the file itself is told."""

    default = list

    @override
    def command(self, path: str) -> StringCommand:
        look = "NR == FNR { if (!($0 in known)) known[$0] = FNR; next } { print ($0 in known) ? known[$0] : 0 }"
        return StringCommand("! test -f", QuoteString(path), "|| awk", QuoteString(look), "-", QuoteString(path))

    @override
    def process(self, output: list[str]) -> list[int]:
        return [int(line) for line in output]
