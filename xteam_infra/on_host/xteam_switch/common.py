"""What goes wrong in a switch, what it says, and the commands it runs."""

import subprocess
import sys
import time
from collections.abc import Callable

STARTED = time.monotonic()


class SwitchError(Exception):
    """What a person must read and act on."""


def say(line: str) -> None:
    """One line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {line}", flush=True)


def complain(line: str) -> None:
    """One line on what went wrong."""
    print(f"xteam-switch: {line}", file=sys.stderr, flush=True)


def run(*words: str) -> str:
    """The output of a command. Raises SwitchError when it fails."""
    done = attempt(*words)
    if done.returncode:
        raise SwitchError(f"{' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def attempt(*words: str) -> subprocess.CompletedProcess[str]:
    """A command that may fail."""
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)


def wait(until: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
