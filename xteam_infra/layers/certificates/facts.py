"""What certificates a host holds."""

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override


class CertificatePems(FactBase[dict[str, str]]):
    """{path: first PEM certificate in it} of those paths that exist, with "OWNER MODE" of the key as first line."""

    default = dict

    @override
    def command(self, pairs: list[tuple[str, str]]) -> StringCommand:
        bits: list[str | QuoteString] = []
        for crt, key in pairs:
            bits += [
                "echo", QuoteString(f"FILE {crt}"), "; stat -c '%U %a' --", QuoteString(key), "2>/dev/null;",
                "sed -n '/BEGIN CERT/,/END CERT/p'", QuoteString(crt), "2>/dev/null;",
            ]  # fmt: skip
        return StringCommand(*bits, "true")

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in output:
            if line.startswith("FILE "):
                lines = found.setdefault(line[5:], [])
            else:
                lines.append(line)
        return {path: "\n".join(lines) for path, lines in found.items() if lines}
