"""The repositories: 1 on this host, 2 in a bucket when there is one. Each has its own password and retention."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xteam_redis_backup.common import HOME, SETTINGS, BackupError, ProgramError, check, digest, run

# restic's own exit statuses.
ABSENT, WRONG_PASSWORD = 10, 12
# What another job may hold the repository for.
LOCK_WAIT = "10m"
HOST = "redis"  # the snapshots' host, in restic's words


@dataclass(frozen=True)
class Repository:
    """A restic repository. number: 1 or 2. options: of restic, for its storage. cipher: the password's secret."""

    number: int
    url: str
    options: list[str]
    keep: dict[str, int]
    cipher: str

    @property
    def password_file(self) -> Path:
        """Root's alone."""
        return HOME / f"repository{self.number}.pass"

    def restic(self, *words: str, cwd: str = "/") -> str:
        """Run restic on this repository. Raises BackupError, in plain words when it does not open."""
        env = {
            "RESTIC_REPOSITORY": self.url,
            "RESTIC_PASSWORD_FILE": str(self.password_file),
            "AWS_SHARED_CREDENTIALS_FILE": str(HOME / "s3.credentials"),
        }
        options = ["--no-cache", "--quiet", "--retry-lock", LOCK_WAIT, *self.options]
        try:
            return run("restic", *options, *words, env=env, cwd=cwd)
        except ProgramError as error:
            if error.status != WRONG_PASSWORD:
                raise
            why = f"repository {self.number} ({self.url}) has another password"
            raise BackupError(f"{why}: give {self.cipher} in the secrets store its old value") from None

    def exists(self) -> bool:
        """Whether it was made. Raises BackupError when it can't be opened."""
        try:
            self.restic("cat", "config")
        except ProgramError as error:
            if error.status == ABSENT:
                return False
            raise
        return True

    def snapshots(self, role: str = "") -> list[dict[str, Any]]:
        """restic's records, oldest first."""
        tag = ["--tag", role] if role else []
        return sorted(json.loads(self.restic("snapshots", "--json", *tag)), key=lambda one: one["time"])

    def newest(self, role: str) -> dict[str, Any]:
        """The record of the role's newest snapshot. Raises BackupError when there is none."""
        if not (found := self.snapshots(role)):
            raise BackupError(f"repository {self.number} has no snapshot of {role}")
        return found[-1]

    def add(self, role: str, directory: Path) -> None:
        """Keep the role's directory below `directory`."""
        self.restic("backup", "--host", HOST, "--tag", role, role, cwd=str(directory))

    def copy_from(self, source: "Repository", role: str) -> None:
        """Keep the role's newest snapshot of another repository, read and checked against its hashes on the way."""
        where = ["--from-repo", source.url, "--from-password-file", str(source.password_file)]
        self.restic("copy", *where, "--host", HOST, "--tag", role, "latest")

    def forget(self) -> None:
        """Expire what is older than the retention, of each role apart, and what nothing refers to any more."""
        self.restic("unlock")  # only locks whose owner is gone
        keep = [word for period, count in self.keep.items() for word in (f"--keep-{period}", str(count))]
        self.restic("forget", *keep, "--group-by", "tags", "--prune", "--max-unused", "20%")

    def fetch(self, role: str, snapshot: str, directory: Path) -> dict[str, Any]:
        """Decrypt a snapshot into `directory`; its facts. Raises BackupError unless it is what was stored."""
        if not re.fullmatch(r"latest|[0-9a-f]{8,64}", snapshot):
            raise BackupError(f"snapshot {snapshot!r}: latest, or an id that `xteam-redis-backup list` shows")
        self.restic("restore", snapshot, "--tag", role, "--host", HOST, "--target", str(directory))
        home = directory / role
        facts = json.loads((home / "facts.json").read_text())
        if digest(home / "dump.rdb") != facts["sha256"]:
            raise BackupError(f"{role}: the snapshot is not what was stored")
        check(home / "dump.rdb")
        return facts


REPOSITORIES = [Repository(**one) for one in SETTINGS["repositories"]]
FIRST, *COPIES = REPOSITORIES


def make() -> None:
    """Make the repositories that are not there. One that its password does not open is left as it is."""
    for one in REPOSITORIES:
        if not one.exists():
            same = ["--copy-chunker-params", "--from-repo", FIRST.url, "--from-password-file", str(FIRST.password_file)]
            one.restic("init", *(same if one in COPIES else []))
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
