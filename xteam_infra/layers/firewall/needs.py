"""What the firewall layer needs of a host; it carries out what the other layers need."""

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import Needs

METRICS_TIMER = "xteam-firewall-metrics.timer"


def needs(estate: Estate, machine: Machine) -> Needs:
    """What counts the refused packets."""
    return Needs(units=(METRICS_TIMER,))
