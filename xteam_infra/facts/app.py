"""Which releases of the application a host has."""

from typing import NamedTuple

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from xteam_infra.plan.app import CURRENT, RELEASES


class ReleaseState(NamedTuple):
    """present: ids of whole releases, longest unused first; current: id of the one in use, or empty."""

    present: tuple[str, ...]
    current: str


class Releases(FactBase[ReleaseState]):
    """The releases below /opt/xteam/releases and the target of /opt/xteam/current."""

    default = staticmethod(lambda: ReleaseState((), ""))

    @override
    def command(self) -> StringCommand:
        return StringCommand(
            f"printf 'C %s\\n' \"$(basename \"$(readlink {CURRENT})\")\";",
            f"ls -1rt {RELEASES} 2>/dev/null | sed 's/^/R /'; true",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> ReleaseState:
        lines = [line.split(maxsplit=1) for line in output]
        present = tuple(line[1] for line in lines if line[0] == "R" and len(line) == 2)
        current = next((line[1] for line in lines if line[0] == "C" and len(line) == 2), "")
        return ReleaseState(present, current)
