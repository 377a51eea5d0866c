"""What the node exporter tells of the backups: figures by role and repository, remembered between runs."""

import time
from pathlib import Path

from xteam_redis_backup.common import ROLES, SETTINGS, STATE
from xteam_redis_backup.repository import REPOSITORIES, Repository
from xteam_restic.metrics import Metrics

TARGET = Path(SETTINGS["metrics"]) / "xteam-redis_backup.prom"
HELP = {
    "snapshot_timestamp_seconds": "When the role's newest snapshot in the repository was taken.",
    "last_success_timestamp_seconds": "When the role was last backed up, or copied, into the repository.",
    "last_failure_timestamp_seconds": "When that last failed.",
    "duration_seconds": "How long it took the last time.",
    "size_bytes": "Size of the role's newest snapshot before encryption.",
    "keys": "Keys in the role's newest snapshot.",
    "restore_test_success_timestamp_seconds": "When a snapshot of the role was last restored and counted.",
    "restore_test_failure_timestamp_seconds": "When that last failed.",
    "restore_test_seconds": "How long the last restore test of the role took.",
    "restore_test_keys": "Keys in the instance that was restored.",
}
FIGURES = Metrics(STATE / "figures.json", TARGET, "xteam_redis_backup_", HELP, ("repository", "role"))


def note(role: str, repository: Repository, figures: dict[str, float]) -> None:
    """Remember the role's figures and write all of them for the node exporter."""
    places = [(str(one.number), role) for one in REPOSITORIES for role in ROLES]
    FIGURES.note(places, (str(repository.number), role), figures)


def ended(prefix: str, good: bool) -> dict[str, float]:
    """The figure that says when work of a kind ended. prefix: of its figures."""
    return {f"{prefix or 'last_'}{'success' if good else 'failure'}_timestamp_seconds": time.time()}


def took(prefix: str, seconds: float) -> dict[str, float]:
    """The figure that says how long it took."""
    return {f"{prefix}seconds" if prefix else "duration_seconds": round(seconds, 3)}
