"""What the firewall layer needs of a host: nothing of its own; it carries out what the other layers need."""

from xteam_infra.plan.needs import Needs


def needs(estate, machine) -> Needs:
    """Nothing."""
    return Needs()
