"""One job of a timer: xteam-backup repo1-full, repo2-verify, check ... As postgres, in xteam-backup@.service."""

import argparse
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xteam_backup.common import BackupError, Settings, read_settings, save_result
from xteam_backup.identity import ANOTHER, FOREIGN, note, present, require_owned, running
from xteam_backup.reached import reached_hosts
from xteam_backup.repository import info

# pgBackRest refuses two of these at a time, whatever the repository; here the second waits.
LOCK = Path("/var/spool/pgbackrest/xteam-backup.lock")
EXCLUSIVE = ("full", "diff", "expire")
KINDS = (*EXCLUSIVE, "verify")
# What `check` may take for a segment to arrive.
ARRIVAL_SECONDS = 60


def main() -> int:
    """Run the job and keep what came of it."""
    settings = read_settings()
    names = [f"repo{number}-{kind}" for number in settings["repositories"] for kind in KINDS]
    parser = argparse.ArgumentParser(prog="xteam-backup", description=__doc__)
    parser.add_argument("job", choices=[*names, "check"])
    job = parser.parse_args().job
    with _turn(job):
        began = time.time()
        good = _run(settings, job)
        seconds = round(time.time() - began, 1)
    save_result(job, {"completed": round(time.time()), "seconds": seconds, "good": good, "cluster": running()})
    return 0 if good else 1


@contextmanager
def _turn(job: str) -> Iterator[None]:
    with LOCK.open("w") as file:
        if job.endswith(EXCLUSIVE):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(settings: Settings, job: str) -> bool:
    pgbackrest = ["pgbackrest", f"--stanza={settings['stanza']}", "--log-level-console=info"]
    if job == "check":
        with reached_hosts() as words:
            return _compares(settings, [*pgbackrest, *words, f"--archive-timeout={ARRIVAL_SECONDS}", "check"])
    repo, kind = job.removeprefix("repo").split("-")
    pgbackrest.append(f"--repo={repo}")
    if kind in ("verify", "expire") and not _owned(settings, int(repo)):
        return False
    if kind == "verify":
        return _verifies([*pgbackrest, "--output=text", "verify"])
    if kind == "expire":
        return _passes([*pgbackrest, "expire"])
    with reached_hosts() as words:
        return _compares(settings, [*pgbackrest, *words, f"--type={kind}", "backup"])


def _owned(settings: Settings, repository: int) -> bool:
    """Of another cluster nothing is proved, and nothing is removed: it may be all that is left of it."""
    try:
        require_owned(info(settings), repository)
    except BackupError as error:
        print(error, file=sys.stderr, flush=True)
        return False
    return True


def _compares(settings: Settings, words: list[str]) -> bool:
    """Run what compares the repository with the cluster that runs, and note which one that is."""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    print(done.stdout, end="", flush=True)
    if done.returncode == 0:
        note(present(info(settings), settings["repositories"][0]))
    elif any(one in done.stdout for one in FOREIGN):
        note(ANOTHER)
    return done.returncode == 0


def _passes(words: list[str]) -> bool:
    return subprocess.run(words, check=False).returncode == 0


def _verifies(words: list[str]) -> bool:
    """pgBackRest's exit status alone does not tell a damaged file; its report does."""
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0 and "status: error" not in done.stdout


if __name__ == "__main__":
    sys.exit(main())
