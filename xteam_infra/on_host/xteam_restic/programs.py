"""Programs that are run, and files that are replaced whole."""

import os
import subprocess
from pathlib import Path
from typing import Any


class BackupError(Exception):
    """What a person must read and act on."""


class ProgramError(BackupError):
    """A program that did not end well. status: what it ended with."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


def run(*words: str, seconds: float, env: dict[str, str] | None = None, cwd: str = "/", account: str = "") -> str:
    """A program's output. env: beside this process's own; passwords travel there, where root alone can read them.

    account: who runs it, instead of this process's own account, without any of its groups.
    Raises BackupError with what the program said, or that it took too long.
    """
    name = Path(words[0]).name
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            words, capture_output=True, text=True, errors="replace", cwd=cwd, timeout=seconds, check=False,
            env={**os.environ, **(env or {})}, **_as(account),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BackupError(f"{name} has not ended within {seconds} seconds") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise ProgramError(f"{name} ended with {done.returncode}: {said}", done.returncode)
    return done.stdout


def _as(account: str) -> dict[str, Any]:
    return {"user": account, "group": account, "extra_groups": []} if account else {}


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file anew, whole."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
