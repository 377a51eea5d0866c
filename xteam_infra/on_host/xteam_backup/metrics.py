"""The repositories' state for Prometheus' node exporter. Runs as root, from a timer and after each job."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from xteam_backup.common import BackupError, Settings, read_settings, results
from xteam_backup.identity import owned, running
from xteam_backup.repository import archive, info, own_backups, status_of

TARGET = "xteam-backup.prom"
HELP = {
    "xteam_backup_repository_status_code": "pgBackRest's word on the repository: 0 is good",
    "xteam_backup_cluster_matches": "1: the repository is of the cluster that runs; of another one nothing counts",
    "xteam_backup_completion_timestamp_seconds": "When the newest backup of that type was complete",
    "xteam_backup_duration_seconds": "How long it took",
    "xteam_backup_database_size_bytes": "Size of the database in it",
    "xteam_backup_stored_size_bytes": "What it added to the repository",
    "xteam_backup_wal_missing_segments": "WAL segments missing since the newest backup",
    "xteam_backup_wal_stored_timestamp_seconds": "When the newest WAL segment was stored",
    "xteam_backup_job_success": "1: the job's last run was good",
    "xteam_backup_job_completion_timestamp_seconds": "When the job's last run ended",
    "xteam_backup_job_duration_seconds": "How long it took",
    "xteam_restore_drill_success": "1: the last restore drill from that repository was good",
    "xteam_restore_drill_completion_timestamp_seconds": "When it ended",
    "xteam_restore_drill_duration_seconds": "How long it took, from nothing to a checked database",
    "xteam_restore_drill_rpo_seconds": "Age of the newest row in it when the drill began",
}
Sample = tuple[str, str, float]


def main() -> int:
    """Write the file anew, whole. What can't be read is missing in it, and the exit status is 1."""
    settings = read_settings()
    samples: list[Sample] = []
    whole = True
    try:
        samples += _repositories(settings)
    except BackupError as error:
        print(error, file=sys.stderr)
        whole = False
    samples += _results()
    text = ""
    for name, words in HELP.items():
        lines = [f"{name}{{{labels}}} {value:g}\n" if value % 1 else f"{name}{{{labels}}} {int(value)}\n"
                 for one, labels, value in samples if one == name]  # fmt: skip
        if lines:
            text += f"# HELP {name} {words}\n# TYPE {name} gauge\n{''.join(lines)}"
    _replace(Path(settings["metrics"]), text)
    return 0 if whole else 1


def _repositories(settings: Settings) -> Iterator[Sample]:
    stanza = info(settings)
    for repository in settings["repositories"]:
        label = f'repository="{repository}"'
        code, _ = status_of(stanza, repository)
        yield "xteam_backup_repository_status_code", label, code
        yield "xteam_backup_cluster_matches", label, int(owned(stanza, repository))
        for kind, backup in {one["type"]: one for one in own_backups(stanza, repository)}.items():
            labels = f'{label},type="{kind}"'
            times = backup["timestamp"]
            yield "xteam_backup_completion_timestamp_seconds", labels, times["stop"]
            yield "xteam_backup_duration_seconds", labels, times["stop"] - times["start"]
            yield "xteam_backup_database_size_bytes", labels, backup["info"]["size"]
            yield "xteam_backup_stored_size_bytes", labels, backup["info"]["repository"].get("delta", 0)
        if code == 0 and owned(stanza, repository):
            missing, newest = archive(settings, repository, stanza)
            yield "xteam_backup_wal_missing_segments", label, missing
            yield "xteam_backup_wal_stored_timestamp_seconds", label, newest


def _results() -> Iterator[Sample]:
    for name, result in results().items():
        if result.get("cluster", "") != running():  # of a cluster that is gone
            continue
        drill = name.startswith("drill-repo")
        prefix = "xteam_restore_drill" if drill else "xteam_backup_job"
        label = f'repository="{name.removeprefix("drill-repo")}"' if drill else f'job="{name}"'
        yield f"{prefix}_success", label, int(result["good"])
        yield f"{prefix}_completion_timestamp_seconds", label, result["completed"]
        yield f"{prefix}_duration_seconds", label, result["seconds"]
        if result.get("rpo_seconds") is not None:
            yield f"{prefix}_rpo_seconds", label, result["rpo_seconds"]


def _replace(directory: Path, text: str) -> None:
    handle, new = tempfile.mkstemp(dir=directory, prefix=".xteam-backup.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(new).chmod(0o644)
    Path(new).replace(directory / TARGET)


if __name__ == "__main__":
    sys.exit(main())
