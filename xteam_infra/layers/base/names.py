"""The estate's names in /etc/hosts: a marked block, put back whoever writes the rest of the file."""

from pathlib import PurePosixPath

from pyinfra import host

from xteam_infra.engine.facts.shell_condition import ShellCondition
from xteam_infra.engine.host_packages import shell_command
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.layers.base.needs import NAMES_UNIT, NAMES_WATCH
from xteam_infra.machine import Machine

PROGRAM = "/usr/local/sbin/xteam-hosts"
BLOCK = "/etc/xteam/hosts"
UNITS = PurePosixPath("/etc/systemd/system")
CLOUD_INIT = "/etc/cloud/cloud.cfg.d"


def names_files(machine: Machine) -> list[HostFile]:
    """The block, the program that keeps it in /etc/hosts, and its units; where cloud-init is, what keeps it away."""
    found = [
        HostFile(BLOCK, "base/hosts.j2", {"machine_here": machine}),
        shell_command("xteam-hosts"),
        HostFile(str(UNITS / NAMES_UNIT), f"base/{NAMES_UNIT}.j2"),
        HostFile(str(UNITS / NAMES_WATCH), f"base/{NAMES_WATCH}.j2"),
    ]
    if host.get_fact(ShellCondition, check=f"test -d {CLOUD_INIT}"):
        found.append(HostFile(f"{CLOUD_INIT}/99-xteam.cfg", "base/cloud-init.cfg.j2"))
    return found


def names_in_place(written: list[HostFile]) -> str:
    """Shell condition: /etc/hosts has the block as it is to be, and gets it again at every boot."""
    (block,) = (file for file in written if file.dest == BLOCK)
    same = f'[ "$(sha256sum < {BLOCK} | cut -c1-64)" = {block.wanted.sha256} ]'
    return f"{same} && {PROGRAM} check && systemctl is-enabled {NAMES_UNIT}"
