"""Whether the clusters that this host belongs to are whole: nobody is taken away while another one is missing."""

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from xteam_updates.shell import failure

SECONDS = 30
# Each mostly waits for an answer.
AT_ONCE = 4


def not_whole(conditions: Mapping[str, str], units: list[str]) -> list[str]:
    """What is not as it should be, each as one line; nothing when all is well.

    conditions: a name and the shell command that succeeds while that part is whole. units: those that must be active.
    """
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = zip(conditions, pool.map(lambda command: failure(command, SECONDS), conditions.values()), strict=True)
        found = [f"{name}: {said}" for name, said in answers if said is not None]
    return found + [f"{unit} is {state}" for unit, state in _states(units).items() if state != "active"]


def _states(units: list[str]) -> dict[str, str]:
    """The state of each unit; a pattern is active when one of its units is."""
    found = {}
    for unit in units:
        words = ["systemctl", "show", "--property", "ActiveState", "--value", unit]
        said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        found[unit] = "active" if "active" in said else (said[0] if said else "not there")
    return found
