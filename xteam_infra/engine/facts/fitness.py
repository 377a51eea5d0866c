"""What preflight must know of a host, in one round trip."""

from typing import NamedTuple

from pyinfra.api import FactBase
from typing_extensions import override

COMMAND = r"""
. /etc/os-release; echo "os=$ID $VERSION_ID"
echo "init=$(cat /proc/1/comm)"
awk '/MemTotal/ {print "memory_mb=" int($2/1024)}' /proc/meminfo
df -Pk / | awk 'NR==2 {print "disk_free_gb=" int($4/1048576)}'
echo "clock=$(date +%s)"
echo "user=$(id -un)"
"""


class Fitness(NamedTuple):
    """os: name and version; memory_mb, disk_free_gb: what the host has; clock: seconds since 1970.

    user: whom commands run as.
    """

    os: str
    init: str
    memory_mb: int
    disk_free_gb: int
    clock: int
    user: str


class HostFitness(FactBase[Fitness]):
    """The host's system, memory, disk and clock."""

    @override
    def command(self) -> str:
        return COMMAND

    @override
    def process(self, output: list[str]) -> Fitness:
        values = dict(line.split("=", 1) for line in output if "=" in line)
        return Fitness(
            values["os"],
            values["init"],
            int(values["memory_mb"]),
            int(values["disk_free_gb"]),
            int(values["clock"]),
            values["user"],
        )
