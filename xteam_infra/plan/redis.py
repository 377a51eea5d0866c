"""What the redis layer needs of a host."""

from xteam_infra.plan.needs import Needs


def needs(estate, machine) -> Needs:
    """Needs of `machine`."""
    return Needs()
