"""A member's own configuration, which follows from what its host has."""

from collections.abc import Callable

from pyinfra import host, logger, state
from pyinfra.api import operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.hardware import HostHardware
from xteam_infra.engine.operations.files import HostFile, write
from xteam_infra.engine.operations.pending import will_change
from xteam_infra.engine.pyinfra_internals import commands_of
from xteam_infra.engine.runtime import open_estate
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.layers.postgres.tuning import Hardware, disk_shortage, table


@operation()
def tuned_file(directory: str, make: Callable[[Hardware], HostFile]) -> Commands:
    """Write the file that `make` gives for this host's hardware.

    The hardware is looked at when the operation runs: an earlier one may have mounted the disk below `directory`.
    """
    settings = open_estate().postgres
    hardware = host.get_fact(HostHardware, directory=directory)
    if shortage := disk_shortage(settings, hardware):
        allowed = "three quarters of the disk at most: a larger disk, or a smaller postgres_max_wal_mb and"
        raise SettingsError([Problem(f"host {host.name}", "disk", shortage, f"{allowed} postgres_slot_wal_mb")])
    if not state.is_executing:
        for line in table(settings, hardware):
            logger.info("%s%s", host.print_prefix, line)
    file = make(hardware)
    for command in commands_of(write, [file]):
        will_change(file.dest)
        yield command
