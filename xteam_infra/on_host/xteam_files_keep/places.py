"""Where the backups are: for each host that sends a repository here, and one in the bucket if there is one."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xteam_restic.metrics import Metrics
from xteam_restic.repository import Repository

HOME = Path("/etc/xteam/files")
SETTINGS = json.loads((HOME / "keep.json").read_text())
STATE = Path(SETTINGS["state"])
KEPT = Path(SETTINGS["path"])
OWNER: str = SETTINGS["owner"]
SENDERS: list[str] = SETTINGS["senders"]
BUCKET: dict[str, Any] | None = SETTINGS["bucket"]
SECONDS: int = SETTINGS["seconds"]
ROOM_MB: int = SETTINGS["room_mb"]
DIRECTORIES: list[str] = SETTINGS["directories"]
DISTINCT: int = SETTINGS["distinct"]
SHRINK_PERCENT: int = SETTINGS["shrink_percent"]
METRICS = Path(SETTINGS["metrics"])
TARGET = METRICS / "xteam-files_keep.prom"
ARRIVED = METRICS / "xteam-files_kept.prom"
HELP = {
    "snapshot_timestamp_seconds": "When the newest backup in the bucket had arrived on this host.",
    "success_timestamp_seconds": "When the host's files were last copied into the bucket.",
    "failure_timestamp_seconds": "When that last failed.",
    "prove_success_timestamp_seconds": "When the copy was last restored and compared.",
    "prove_failure_timestamp_seconds": "When that last failed.",
}
HELP_ARRIVED = {
    "arrival_timestamp_seconds": "When the host's newest backup arrived, by this host's clock.",
    "snapshots": "Backups that count.",
    "refused": "Backups that do not count: dated ahead, of another host, without a directory, or unreadable.",
    "files": "Files in the newest one that counts.",
    "bytes": "Their size.",
    "stored_bytes": "What its repository takes of the disk.",
    "room_bytes": "What the repositories of all hosts may take together.",
    "held": "1: nothing is removed until a person says so.",
}
_FIGURES = Metrics(STATE / "figures.json", TARGET, "xteam_files_copy_", HELP, ("host",))
_ARRIVED = Metrics(STATE / "arrived.json", ARRIVED, "xteam_files_kept_", HELP_ARRIVED, ("host",))


def local(host: str) -> Repository:
    """What the host sends to."""
    return Repository(
        name=f"the repository of {host}",
        url=str(KEPT / host),
        password_file=HOME / f"{host}.pass",
        cipher=f"files/{host}/cipher",
        keep=SETTINGS["keep"],
        seconds=SECONDS,
        owner=OWNER,
    )


def copied(host: str) -> Repository:
    """Its copy in the bucket."""
    assert BUCKET
    return Repository(
        name=f"the copy of {host}",
        url=f"{BUCKET['url']}/{host}",
        password_file=HOME / f"{host}.copy.pass",
        cipher=f"files/{host}/copy-cipher",
        keep=BUCKET["keep"],
        seconds=SECONDS,
        options=BUCKET["options"],
        credentials=BUCKET["credentials"],
    )


def ledger(host: str) -> Path:
    """Where it is written down what of a host arrived when."""
    return STATE / "ledger" / f"{host}.json"


def copy_ledger(host: str) -> Path:
    """The same of its copy in the bucket."""
    return STATE / "ledger" / f"{host}.copy.json"


def arrived(host: str, found: dict[str, float]) -> None:
    """Tell the node exporter what has arrived of a host."""
    _ARRIVED.note([(one,) for one in SENDERS], (host,), found)


def figures(host: str, found: dict[str, float]) -> None:
    """Tell the node exporter what came of work on a host's copy."""
    named = {name.removeprefix("copy_"): value for name, value in found.items()}
    _FIGURES.note([(one,) for one in SENDERS], (host,), named)


@contextmanager
def alone() -> Iterator[None]:
    """Nothing is removed while it is copied: one job at a time."""
    place = os.open(KEPT, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)
