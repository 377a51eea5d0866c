"""Running programs and telling the user what takes time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.errors import LabError


def run(command: Sequence[str | Path], *, check: bool = True, stdin: str | None = None) -> str:
    """Run a program to its end and return its standard output.

    Raises LabError with the program's own words when it fails and `check` is set. When this process is interrupted
    meanwhile, the program and what it started are asked to end, and waited for.
    """
    words = [str(word) for word in command]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(stdin or "")
        except BaseException:
            _end(process)
            raise
    if check and process.returncode:
        said = (errors or output).strip()[-2000:]
        raise LabError(f"`{' '.join(words)[:300]}` failed with status {process.returncode}: {said}")
    return output


def _end(process: subprocess.Popen[str]) -> None:
    """End a program's whole process group, politely first: mmdebstrap then removes what it has made."""
    for number, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


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
