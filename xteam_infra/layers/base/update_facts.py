"""What a host says of its updates, and of what it leads."""

import json
from typing import Any

from pyinfra.api import FactBase
from typing_extensions import override

PROGRAM = "/usr/local/sbin/xteam-updates"


class UpdatesWaiting(FactBase[dict[str, Any]]):
    """What the host would get from a reboot: `reboot_since`, `outdated_units`; empty without the program."""

    default = dict

    @override
    def command(self) -> str:
        return f"test ! -x {PROGRAM} || {PROGRAM} status"

    @override
    def process(self, output: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads("".join(output) or "{}")
        return found


class Leads(FactBase[int]):
    """How much is led from this host: its steps of leaving that would hand something over now."""

    default = int

    @override
    def command(self) -> str:
        return f"test ! -x {PROGRAM} || {PROGRAM} leads"

    @override
    def process(self, output: list[str]) -> int:
        return len([line for line in output if line.strip()])
