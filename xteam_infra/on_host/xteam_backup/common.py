"""What all parts share: settings, programs run as postgres, times, and lasting results."""

import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

SETTINGS = Path("/etc/xteam/backup.json")
RESULTS = Path("/var/lib/xteam/backup")
STARTED = time.monotonic()


class BackupError(Exception):
    """What a person must read and act on."""


class Settings(TypedDict):
    """What the deploy says: templates/backup/backup.json.j2. paths: of each repository's stanza, by its number."""

    stanza: str
    repositories: list[int]
    paths: dict[str, str]
    keys: str
    directory: str
    port: int
    memory_mb: int
    seconds: int
    processes: int
    database: str
    rehearsals: str
    ca: str
    data: str
    programs: str
    metrics: str
    migrator: str
    migrate_module: str
    preload: str
    archive_seconds: int


# What pgBackRest tells of a stanza, a backup; what is kept of a job or drill.
Record = dict[str, Any]


def read_settings() -> Settings:
    """Those of this host."""
    settings: Settings = json.loads(SETTINGS.read_text())
    return settings


def say(line: str) -> None:
    """One line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {line}", flush=True)


def as_postgres(*words: str, check: bool = True, show: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program as the owner of the repository and of the instances, who may be running this. show: its output."""
    command = ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else list(words)
    done = subprocess.run(
        command, capture_output=not show, text=True, errors="replace", cwd="/", stdin=subprocess.DEVNULL, check=False
    )
    if check and done.returncode != 0:
        said = "" if show else f":\n{printable(done.stdout + done.stderr).strip()}"
        raise BackupError(f"{Path(words[0]).name} ended with {done.returncode}{said}")
    return done


def printable(text: str) -> str:
    """With a wrong key pgBackRest quotes what came of decrypting: characters that are no text."""
    return "".join(one for one in text if one in "\n\t" or " " <= one <= "~")


def stamp(moment: datetime) -> str:
    """A moment as PostgreSQL and people read it."""
    form = "%Y-%m-%d %H:%M:%S.%f" if moment.microsecond else "%Y-%m-%d %H:%M:%S"
    return f"{moment.astimezone(UTC).strftime(form)}+00"


def save_result(name: str, result: Record) -> None:
    """Keep what came of a job or drill: the metrics and the checks read it."""
    path = RESULTS / f"{name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(result, indent=1) + "\n")
    new.chmod(0o644)
    new.replace(path)


def results() -> dict[str, Record]:
    """Every result by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
