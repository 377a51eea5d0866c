"""State of a systemd unit together with what it was last applied with."""

from typing import NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

APPLIED = "/var/lib/xteam/applied"


class ServiceState(NamedTuple):
    """active, enabled: as systemd says; stale: unit files changed since it read them;
    applied: the inputs are those of the last successful start or reload."""

    active: str
    enabled: str
    stale: bool
    applied: bool


def digest_command(paths: list[str]) -> StringCommand:
    """Print one hash over the inputs' contents and inodes: a file replaced and put back still counts as new."""
    if not paths:
        return StringCommand("echo none")
    quoted = [QuoteString(path) for path in paths]
    return StringCommand("stat -c '%n %i %Y' --", *quoted, "2>&1 | sha256sum | cut -c1-64")


class Services(FactBase[ServiceState]):
    """State of one unit whose inputs (configuration, certificates, releases) are `paths`."""

    @override
    def command(self, unit: str, paths: list[str]) -> StringCommand:
        show = "systemctl show -p ActiveState -p UnitFileState -p NeedDaemonReload --"
        return StringCommand(
            show, QuoteString(unit), "; printf Applied=; cat", QuoteString(f"{APPLIED}/{unit}"),
            "2>/dev/null || echo; printf Digest=;", digest_command(paths),
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> ServiceState:
        values = dict(line.split("=", 1) for line in output if "=" in line)
        return ServiceState(
            active=values.get("ActiveState", "unknown"),
            enabled=values.get("UnitFileState", ""),
            stale=values.get("NeedDaemonReload") == "yes",
            applied=values.get("Applied", "") == values.get("Digest"),
        )
