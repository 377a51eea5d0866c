"""The running ruleset."""

from typing import NamedTuple

from pyinfra.api import FactBase
from typing_extensions import override

STAMP = "/var/lib/xteam/applied/nftables.ruleset"
# -s: without counters, -t: without what sets hold, which change all the time.
LISTING = "nft -s -t list table inet xteam 2>/dev/null | sha256sum | cut -c1-64"


class RulesetState(NamedTuple):
    """running: the kernel holds what was last confirmed; enabled: nftables.service loads it at boot."""

    running: bool
    enabled: bool


class Ruleset(FactBase[RulesetState]):
    """Whether the kernel's ruleset is the one last confirmed, and loaded at boot."""

    @override
    def command(self) -> str:
        return (
            f"echo running=$({LISTING}); echo confirmed=$(cat {STAMP} 2>/dev/null); "
            "echo enabled=$(systemctl is-enabled nftables.service 2>/dev/null)"
        )

    @override
    def process(self, output: list[str]) -> RulesetState:
        values = dict(line.split("=", 1) for line in output)
        return RulesetState(values["running"] == values["confirmed"], values["enabled"] == "enabled")
