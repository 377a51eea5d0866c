"""A repository of restic's, in a directory or in a bucket."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from xteam_restic.programs import BackupError, ProgramError, run

# restic's own exit statuses.
ABSENT, WRONG_PASSWORD = 10, 12
# What another job may hold the repository for.
LOCK_WAIT = "10m"


@dataclass(frozen=True, kw_only=True)
class Repository:
    """name: in messages. cipher: the password's secret. keep: how many by period. options, credentials: a bucket's.

    owner: the account whose files the repository is made of, when it is another than this process's.
    """

    name: str
    url: str
    password_file: Path
    cipher: str
    keep: dict[str, int]
    seconds: int
    options: list[str] = field(default_factory=list)
    credentials: str = ""
    owner: str = ""

    def restic(self, *words: str, cwd: str = "/", source: Self | None = None) -> str:
        """Run restic on this repository. source: another one, that it reads.

        Raises BackupError, in plain words when it does not open.
        """
        env = {
            "RESTIC_REPOSITORY": self.url,
            "RESTIC_PASSWORD_FILE": str(self.password_file),
            "AWS_SHARED_CREDENTIALS_FILE": self.credentials or (source.credentials if source else ""),
        }
        options = ["--no-cache", "--quiet", "--retry-lock", LOCK_WAIT, *(self.options or (source or self).options)]
        try:
            return run("restic", *options, *words, env=env, cwd=cwd, seconds=self.seconds, account=self.owner)
        except ProgramError as error:
            if error.status != WRONG_PASSWORD:
                raise
            why = f"{self.name} ({self.url}) has another password"
            raise BackupError(f"{why}: give {self.cipher} in the secrets store its old value") from None

    def exists(self) -> bool:
        """Whether it was made. Raises BackupError when it can't be opened."""
        try:
            self.restic("cat", "config", "--no-lock")
        except ProgramError as error:
            if error.status == ABSENT:
                return False
            raise
        return True

    def make(self, like: Self | None = None) -> None:
        """Make it. like: cut files as this one does, so that copies of them take no more room than there."""
        same = ["--copy-chunker-params", *_from(like)] if like else []
        self.restic("init", *same, source=like)

    def snapshots(self, *filters: str) -> list[dict[str, Any]]:
        """restic's records, oldest first; none when the repository was not made."""
        try:
            found = json.loads(self.restic("snapshots", "--json", "--no-lock", *filters))
        except ProgramError as error:
            if error.status == ABSENT:
                return []
            raise
        return sorted(found, key=lambda one: one["time"])

    def take_over(self, source: Self, *what: str) -> None:
        """Copy snapshots of another repository, read and checked against their hashes on the way. what: all if empty.

        The other one gets no lock: a file of root's in it would shut out those it belongs to.
        """
        self.restic("copy", "--no-lock", *_from(source), *what, source=source)

    def forget(self, group_by: str) -> None:
        """Expire what is older than the retention, of each group apart, and what nothing refers to any more.

        By the times that stand in the snapshots: only for a repository that this host alone writes.
        """
        keep = [word for period, count in self.keep.items() for word in (f"--keep-{period}", str(count))]
        self._remove("--group-by", group_by, *keep)

    def remove(self, *ids: str) -> None:
        """Remove these snapshots, and what nothing refers to any more."""
        self._remove(*ids)

    def prune(self) -> None:
        """Remove what no snapshot refers to."""
        self.restic("unlock")  # only locks whose owner is gone
        self.restic("prune", "--max-unused", "0")

    def _remove(self, *what: str) -> None:
        """All of it: what a person had erased must not stay in a file that holds other things too."""
        self.restic("unlock")  # only locks whose owner is gone
        self.restic("forget", *what, "--prune", "--max-unused", "0")


def _from(source: Repository) -> list[str]:
    return ["--from-repo", source.url, "--from-password-file", str(source.password_file)]


def taken(snapshot: dict[str, Any]) -> float:
    """When a snapshot was taken, in seconds since the epoch."""
    text = re.sub(r"\.\d+", "", snapshot["time"])  # nanoseconds, which Python doesn't read
    return datetime.fromisoformat(text).timestamp()
