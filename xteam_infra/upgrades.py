"""How updates install themselves on a host: its turn, what is asked before, and what is told of them afterwards."""

from collections.abc import Iterator

from xteam_infra.carried import MODULES, carried
from xteam_infra.estate import Estate, Machine
from xteam_infra.operations import HostFile
from xteam_infra.plan import HostPlan
from xteam_infra.plan.base import UPDATES_TIMER, UPDATES_UNIT, upgrade_at
from xteam_infra.shared_files import timer_file


def files(plan: HostPlan) -> Iterator[HostFile]:
    """The settings of needrestart, and the program that looks at this host and its clusters."""
    yield HostFile("/etc/needrestart/conf.d/90-xteam.conf", "base/needrestart.conf.j2")
    yield HostFile("/etc/systemd/system/apt-daily-upgrade.service.d/10-xteam.conf", "base/upgrade.service.j2")
    yield HostFile("/etc/xteam/updates.json", "base/updates.json.j2", {"whole": plan.whole, "units": plan.units})
    yield from carried("xteam_updates", MODULES)
    yield HostFile("/usr/local/sbin/xteam-updates", "base/xteam-updates.j2", {"modules": MODULES}, mode="755")
    yield HostFile(f"/etc/systemd/system/{UPDATES_UNIT}", "base/xteam-updates.service.j2")


def timer(estate: Estate, machine: Machine) -> HostFile:
    """When this host installs updates."""
    dest = "/etc/systemd/system/apt-daily-upgrade.timer.d/10-xteam.conf"
    return HostFile(dest, "base/upgrade.timer.j2", {"upgrade_at": upgrade_at(estate, machine)})


def metrics_timer() -> HostFile:
    """When the metrics of updates are written: a package may be installed by a person too."""
    return timer_file(UPDATES_TIMER, "When the metrics of updates are written", "hourly", spread_seconds=600)
