"""A deploy as an operator starts it on the controller."""

import subprocess
import sys
from pathlib import Path

SECONDS = 900


def pyinfra(*words: str) -> tuple[int, str]:
    """Its exit status, and all it printed."""
    program = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [program, "-y", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout + done.stderr
