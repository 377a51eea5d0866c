"""What the firewall layer needs of a host; it carries out what the other layers need."""

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import HostRequirements

METRICS_TIMER = "xteam-firewall-metrics.timer"


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """What counts the refused packets."""
    return HostRequirements(units=(METRICS_TIMER,))
