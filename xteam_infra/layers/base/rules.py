"""Rules of the base layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.settings.base import DAY_MINUTES, window_minutes

# A host hands over, boots and is whole again well within this time, before the next one looks.
REBOOT_MINUTES = 10


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.base
    hosts = len(estate.machines)
    if hosts * settings.updates_spacing_minutes > DAY_MINUTES:
        allowed = f"at most {DAY_MINUTES // hosts}: {hosts} hosts take turns within a day"
        yield settings.problem("updates_spacing_minutes", settings.updates_spacing_minutes, allowed)
    if not settings.updates_reboot_themselves:
        return
    window = settings.updates_reboot_window
    if window is None:
        allowed = "a window too (updates_reboot_window), such as 02:00-05:00"
        yield settings.problem("updates_reboot_themselves", True, allowed)
    elif (shortest := hosts * REBOOT_MINUTES) > window_minutes(window)[1]:
        allowed = f"at least {shortest} minutes: {hosts} hosts take turns, of {REBOOT_MINUTES} minutes or more"
        yield settings.problem("updates_reboot_window", window, allowed)
