"""Rules of the logs layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    if len(estate.members("logs")) > 1:
        names = ", ".join(machine.name for machine in estate.members("logs"))
        yield Problem("inventory", "group logs", names, "one collector: every host ships to one place")
