"""Running programs and telling the user what takes time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError


def run(command: Sequence[str | Path], *, check: bool = True, stdin: str | None = None) -> str:
    """Run a program to its end and return its standard output.

    Raises LabError with the program's own words when it fails and `check` is set.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin or "", capture_output=True, text=True, check=False)
    if check and done.returncode:
        words_of_program = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"`{' '.join(words)}` failed with status {done.returncode}: {words_of_program}")
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Tell whether a program ends with status 0; its output is dropped."""
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    return done.returncode == 0


def say(text: str) -> None:
    """Print a line for the user at once, also into a pipe."""
    print(text, file=sys.stdout, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what is being done and, when it is over, how many seconds it took."""
    started = time.monotonic()
    say(f"[lab] {text} ...")
    yield
    say(f"[lab] {text}: {time.monotonic() - started:.1f} s")
