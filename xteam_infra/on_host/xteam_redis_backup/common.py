"""What all parts share: settings, programs, private scratch space, files that are replaced whole."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOME = Path("/etc/xteam/redis-backup")
# A day: no run lasts that long, so what is older was left by one that was killed.
ABANDONED_SECONDS = 86_400


class BackupError(Exception):
    """What a person must read and act on."""


class ProgramError(BackupError):
    """A program that did not end well. status: what it ended with."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


SETTINGS = json.loads((HOME / "settings.json").read_text())
STATE = Path(SETTINGS["state"])
ROLES: dict[str, int] = SETTINGS["roles"]
SECONDS: int = SETTINGS["seconds"]
CA: str = SETTINGS["ca"]


def run(*words: str, env: dict[str, str] | None = None, seconds: float = SECONDS, cwd: str = "/") -> str:
    """A program's output. env: beside this process's own; passwords travel there, where root alone can read them.

    Raises BackupError with what the program said, or that it took too long.
    """
    name = Path(words[0]).name
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", cwd=cwd, timeout=seconds, check=False,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BackupError(f"{name} has not ended within {seconds} seconds") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise ProgramError(f"{name} ended with {done.returncode}: {said}", done.returncode)
    return done.stdout


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


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file anew, whole."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
