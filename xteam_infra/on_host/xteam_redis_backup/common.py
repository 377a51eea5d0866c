"""What all parts share: settings, programs, private scratch space."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xteam_restic import programs
from xteam_restic.programs import BackupError, replace

__all__ = ["BackupError", "check", "digest", "replace", "run", "scratch", "work"]
HOME = Path("/etc/xteam/redis-backup")
# A day: no run lasts that long, so what is older was left by one that was killed.
ABANDONED_SECONDS = 86_400
SETTINGS = json.loads((HOME / "settings.json").read_text())
STATE = Path(SETTINGS["state"])
ROLES: dict[str, int] = SETTINGS["roles"]
SECONDS: int = SETTINGS["seconds"]
CA: str = SETTINGS["ca"]


def run(*words: str, env: dict[str, str] | None = None, seconds: float = SECONDS) -> str:
    """A program's output; see xteam_restic.programs.run."""
    return programs.run(*words, env=env, seconds=seconds)


def check(snapshot: Path) -> str:
    """redis-check-rdb's words. Raises BackupError when the snapshot is damaged."""
    return run("redis-check-rdb", str(snapshot))


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def work() -> Path:
    """Where data may lie unencrypted for a while: root alone can enter."""
    directory = STATE / "work"
    directory.mkdir(exist_ok=True)
    return directory


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for what is not encrypted; gone afterwards."""
    for left in work().iterdir():
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=work()) as name:
        yield Path(name)
