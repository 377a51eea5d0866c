"""Cores of a host, and size of the file system a directory is on or will be on."""

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from xteam_infra.layers.postgres.tuning import Hardware


class HostHardware(FactBase[Hardware]):
    """directory: one that need not be there yet; then its nearest parent counts."""

    @override
    def command(self, directory: str) -> StringCommand:
        up = 'until [ -d "$d" ]; do d=$(dirname "$d"); done; nproc; df -Pm "$d" | awk \'NR==2 {print $2}\''
        return StringCommand("d=", QuoteString(directory), "; ", up, _separator="")

    @override
    def process(self, output: list[str]) -> Hardware:
        cores, disk_mb = output
        return Hardware(int(cores), int(disk_mb))
