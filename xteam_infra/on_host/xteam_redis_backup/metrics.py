"""What the node exporter tells of the backups: figures by role and repository, remembered between runs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from xteam_redis_backup.common import ROLES, STATE, replace
from xteam_redis_backup.repository import REPOSITORIES, Repository

TARGET = Path("/var/lib/prometheus/node-exporter/xteam-redis_backup.prom")
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
Known = dict[str, dict[str, dict[str, float]]]


def note(role: str, repository: Repository, figures: dict[str, float]) -> None:
    """Remember the role's figures and write all of them for the node exporter."""
    known = _known()
    known[str(repository.number)][role] |= figures
    replace(STATE / "figures.json", json.dumps(known), 0o600)
    replace(TARGET, "".join(_lines(known)), 0o644)


def ended(prefix: str, good: bool) -> dict[str, float]:
    """The figure that says when work of a kind ended. prefix: of its figures."""
    return {f"{prefix or 'last_'}{'success' if good else 'failure'}_timestamp_seconds": time.time()}


def took(prefix: str, seconds: float) -> dict[str, float]:
    """The figure that says how long it took."""
    return {f"{prefix}seconds" if prefix else "duration_seconds": round(seconds, 3)}


def _known() -> Known:
    """{repository: {role: figures}}, of the declared ones."""
    path = STATE / "figures.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    numbers = [str(one.number) for one in REPOSITORIES]
    return {number: {role: found.get(number, {}).get(role, {}) for role in ROLES} for number in numbers}


def _lines(known: Known) -> Iterator[str]:
    for name, text in HELP.items():
        full = f"xteam_redis_backup_{name}"
        yield f"# HELP {full} {text}\n# TYPE {full} gauge\n"
        for number, roles in known.items():
            for role, figures in roles.items():
                if name in figures:
                    yield f'{full}{{role="{role}",repository="{number}"}} {figures[name]}\n'
