"""How updates install themselves on a host: its turn, what is asked before, and what is told of them afterwards."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from xteam_infra.engine.common_files import timer_file
from xteam_infra.engine.host_packages import module_command, package_files
from xteam_infra.engine.operations import HostFile
from xteam_infra.estate import Estate
from xteam_infra.layers.base.needs import REBOOT_TIMER, REBOOT_UNIT, UPDATES_TIMER, UPDATES_UNIT, reboot_at, upgrade_at
from xteam_infra.machine import Machine
from xteam_infra.plan import HostPlan


def files(plan: HostPlan) -> Iterator[HostFile]:
    """The settings of needrestart, and the program that looks at this host and its clusters."""
    yield HostFile("/etc/needrestart/conf.d/90-xteam.conf", "base/needrestart.conf.j2")
    yield HostFile("/etc/systemd/system/apt-daily-upgrade.service.d/10-xteam.conf", "base/upgrade.service.j2")
    yield HostFile("/etc/xteam/updates.json", "base/updates.json.j2", _asked(plan))
    yield from package_files("xteam_updates")
    yield module_command("xteam-updates", "xteam_updates", keeps=("NOTIFY_SOCKET",))
    yield HostFile(f"/etc/systemd/system/{UPDATES_UNIT}", "base/xteam-updates.service.j2")
    yield HostFile(f"/etc/systemd/system/{REBOOT_UNIT}", "base/xteam-reboot.service.j2")


def _asked(plan: HostPlan) -> dict[str, Any]:
    """What tells whether the host can be spared, and how it leaves."""
    leaves = [{"name": name, **asdict(one)} for name, one in plan.leaves.items()]
    return {"whole": plan.whole, "units": plan.units, "leaves": leaves}


def timer(estate: Estate, machine: Machine) -> HostFile:
    """When this host installs updates."""
    dest = "/etc/systemd/system/apt-daily-upgrade.timer.d/10-xteam.conf"
    return HostFile(dest, "base/upgrade.timer.j2", {"upgrade_at": upgrade_at(estate, machine)})


def reboot_timer(estate: Estate, machine: Machine) -> HostFile | None:
    """When this host reboots if it waits for it; None when it never does so by itself."""
    at = reboot_at(estate, machine)
    if at is None:
        return None
    return HostFile(f"/etc/systemd/system/{REBOOT_TIMER}", "base/xteam-reboot.timer.j2", {"reboot_at": at})


def metrics_timer() -> HostFile:
    """When the metrics of updates are written: a package may be installed by a person too."""
    return timer_file(UPDATES_TIMER, "When the metrics of updates are written", "hourly", spread_seconds=600)
