"""Deploys as an operator starts them on the controller."""

import subprocess
import sys
from pathlib import Path

# A deploy on a loaded machine takes minutes.
SECONDS = 1500


def pyinfra(*words: str) -> tuple[int, str]:
    """Its exit status, and all it printed."""
    program = Path(sys.executable).with_name("pyinfra")
    # Told yes beforehand, it would not look what it is going to change.
    yes = () if "--dry" in words else ("-y",)
    done = subprocess.run(
        [program, *yes, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout + done.stderr


class Started:
    """A deploy that goes on while the drill looks on. Its output is in a file: nobody has to read along."""

    def __init__(self, words: tuple[str, ...], log: Path):
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("pyinfra"), "-y", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """All it has printed so far."""
        return self.log.read_text()

    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """As if the controller had lost its power: it can say goodbye to nobody."""
        self.process.kill()
        self.process.wait()


class Deploys:
    """Deploys and tasks of one inventory: `status, said = deploys("release", version="v2")`."""

    def __init__(self, inventory: str):
        self.inventory = inventory

    def __call__(self, name: str, *options: str, **data: object) -> tuple[int, str]:
        """Exit status, and what it said. options: of pyinfra. data: settings that override all others."""
        return pyinfra(*self._words(name, data), *options)

    def start(self, name: str, log: Path, **data: object) -> Started:
        """Start it and come back at once. Whoever starts one ends it."""
        return Started(self._words(name, data), log)

    def _words(self, name: str, data: dict[str, object]) -> tuple[str, ...]:
        overrides = [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
        task = Path("tasks", f"{name}.py")
        return self.inventory, str(task if task.exists() else Path("deploys", f"{name}.py")), *overrides

    def good(self, name: str, **data: object) -> str:
        """What it said; it must succeed."""
        status, said = self(name, **data)
        assert status == 0, said[-2000:]
        return said
