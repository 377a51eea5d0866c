"""Programs that look at hosts from outside: they run on the controller, and what they say is kept as evidence."""

import subprocess
import sys
import time

from checklist.evidence import Evidence, Recorder

SECONDS = 120


class Controller:
    """Runs a program of this environment's Python: `controller("ssh_audit.ssh_audit", "--json", address)`."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder

    def __call__(self, module: str, *words: str, timeout: float = SECONDS) -> subprocess.CompletedProcess[str]:
        """`python -m MODULE WORDS`. Any exit status is an answer. Raises subprocess.TimeoutExpired."""
        started = time.monotonic()
        command = [sys.executable, "-m", module, *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        ms = (time.monotonic() - started) * 1000
        said = f"python -m {module} {' '.join(words)}"
        self._recorder.record(Evidence("controller", said, done.returncode, done.stdout, done.stderr, ms))
        return done
