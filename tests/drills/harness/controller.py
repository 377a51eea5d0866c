"""Deploys as an operator starts them on the controller."""

import subprocess
import sys
from pathlib import Path

# A deploy on a loaded machine takes minutes.
SECONDS = 1500


def pyinfra(*words: str) -> tuple[int, str]:
    """Its exit status, and all it printed."""
    program = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [program, "-y", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout + done.stderr


class Deploys:
    """Deploys of one inventory: `status, said = deploys("release", version="v2")`."""

    def __init__(self, inventory: str):
        self.inventory = inventory

    def __call__(self, name: str, *options: str, **data: object) -> tuple[int, str]:
        """Exit status, and what it said. options: of pyinfra. data: settings that override all others."""
        overrides = [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
        return pyinfra(self.inventory, f"deploys/{name}.py", *options, *overrides)

    def good(self, name: str, **data: object) -> str:
        """What it said; it must succeed."""
        status, said = self(name, **data)
        assert status == 0, said[-2000:]
        return said
