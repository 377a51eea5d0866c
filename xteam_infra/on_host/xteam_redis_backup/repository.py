"""The repositories: 1 on this host, 2 in a bucket when there is one. Each has its own password and retention."""

import json
import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from xteam_redis_backup.common import HOME, ROLES, SECONDS, SETTINGS, STATE, BackupError, check, digest
from xteam_restic import repository as restic

HOST = "redis"  # the snapshots' host, in restic's words


@dataclass(frozen=True, kw_only=True)
class Repository(restic.Repository):
    """A repository with snapshots of roles. number: 1 or 2."""

    number: int

    def newest(self, role: str) -> dict[str, Any]:
        """The record of the role's newest snapshot. Raises BackupError when there is none."""
        if not (found := self.snapshots("--tag", role)):
            raise BackupError(f"repository {self.number} has no snapshot of {role}")
        return found[-1]

    def add(self, role: str, directory: Path) -> None:
        """Keep the role's directory below `directory`."""
        self.restic("backup", "--host", HOST, "--tag", role, role, cwd=str(directory))

    def fetch(self, role: str, snapshot: str, directory: Path) -> dict[str, Any]:
        """Decrypt a snapshot into `directory`; its facts. Raises BackupError unless it is what was stored."""
        if not re.fullmatch(r"latest|[0-9a-f]{8,64}", snapshot):
            raise BackupError(f"snapshot {snapshot!r}: latest, or an id that `xteam-redis-backup list` shows")
        self.restic("restore", snapshot, "--tag", role, "--host", HOST, "--target", str(directory))
        home = directory / role
        facts: dict[str, Any] = json.loads((home / "facts.json").read_text())
        if digest(home / "dump.rdb") != facts["sha256"]:
            raise BackupError(f"{role}: the snapshot is not what was stored")
        check(home / "dump.rdb")
        return facts


def _repository(number: int, **more: Any) -> Repository:
    password, credentials = HOME / f"repository{number}.pass", str(HOME / "s3.credentials")
    return Repository(
        number=number,
        name=f"repository {number}",
        seconds=SECONDS,
        password_file=password,
        credentials=credentials,
        **more,
    )


REPOSITORIES = [_repository(**one) for one in SETTINGS["repositories"]]
FIRST, *COPIES = REPOSITORIES


def proof(role: str, repository: Repository) -> Path:
    """Where it is written down what the last proof found."""
    return STATE / "proofs" / f"{role}.repository{repository.number}.json"


def proved(role: str, repository: Repository, since: float) -> bool:
    """Whether a snapshot that was taken since then was restored, seconds since the epoch."""
    try:
        facts: dict[str, Any] = json.loads(proof(role, repository).read_text())
        return datetime.fromisoformat(facts["taken"]).timestamp() >= since
    except (FileNotFoundError, ValueError, KeyError):
        return False


def make() -> None:
    """Make the repositories that are not there. One that its password does not open is left as it is."""
    for one in REPOSITORIES:
        if not one.exists():
            for role in ROLES:  # of one that is lost
                proof(role, one).unlink(missing_ok=True)
            one.make(like=FIRST if one in COPIES else None)
            print(f"repository {one.number} was made", flush=True)


def overview() -> bool:
    """Print each snapshot's repository, id, time and role. False when a repository can't be read."""
    whole = True
    for one in REPOSITORIES:
        try:
            for snapshot in one.snapshots():
                print(f"{one.number}  {snapshot['short_id']}  {snapshot['time'][:19]}  {','.join(snapshot['tags'])}")
        except BackupError as error:
            print(f"repository {one.number}: {error}", file=sys.stderr)
            whole = False
    return whole
