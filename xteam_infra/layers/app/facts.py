"""Which releases of the application a host has."""

from typing import NamedTuple

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from xteam_infra.engine.facts.services import APPLIED, digest_command
from xteam_infra.layers.app.needs import COLOURS, CURRENT, DRAINED, RELEASES, ROOT

# Where the digest of the inputs stands that the API was last switched with.
API_STAMP = "xteam-api"


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


class ApiState(NamedTuple):
    """serving: whether one instance runs, starts at boot and gets requests, and the other one does not run;
    release: of that one; stale, applied: as of a service."""

    serving: bool
    release: str
    stale: bool
    applied: bool


class Api(FactBase[ApiState]):
    """The two instances of the API, whose inputs are `paths`."""

    @override
    def command(self, paths: list[str]) -> StringCommand:
        lines = [
            f"for colour in {' '.join(COLOURS)}; do (",
            "systemctl show -p ActiveState -p UnitFileState -p NeedDaemonReload --value xteam-api@$colour.service;",
            f"test -e {DRAINED}/$colour && echo drained || echo free;",
            f'basename "$(readlink {ROOT}/$colour || echo -)"',
            ") | paste -sd,; done;",
        ]
        digests = (f"cat {APPLIED}/{API_STAMP} 2>/dev/null || echo;", digest_command(paths))
        return StringCommand(*lines, *digests)

    @override
    def process(self, output: list[str]) -> ApiState:
        instances = [line.split(",") for line in output[: len(COLOURS)]]
        running = [one for one in instances if not {"inactive", "failed"} & set(one)]
        serving = len(running) == 1 and "active" in running[0] and "enabled" in running[0] and "free" in running[0]
        release = running[0][-1] if serving else ""
        applied, digest = output[len(COLOURS) :]
        return ApiState(serving, release, serving and "yes" in running[0], applied == digest)
