"""Backups of Redis, on the backup host, as root.

  xteam-redis-backup take [ROLE...]                     a snapshot of each role, checked before it is kept
  xteam-redis-backup copy [ROLE...]                     each role's newest snapshot into the bucket
  xteam-redis-backup prove [ROLE...]                    restore the newest ones into a scratch instance, and count
  xteam-redis-backup list                               what is kept
  xteam-redis-backup init                               make the repositories
  xteam-redis-backup done init|take|copy|prove [ROLE=SINCE...]  whether that has succeeded for everything declared;
                                                        SINCE: what is older is of another role of that name
  xteam-redis-backup serve ROLE:SNAPSHOT:REPOSITORY     offer one to the Redis hosts; tasks/restore_redis.py calls it

Settings: /etc/xteam/redis-backup/settings.json.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

from xteam_redis_backup import metrics
from xteam_redis_backup.common import ROLES, BackupError
from xteam_redis_backup.prove import prove
from xteam_redis_backup.repository import COPIES, FIRST, REPOSITORIES, Repository, make, overview, proved
from xteam_redis_backup.serve import serve
from xteam_redis_backup.take import copy, take
from xteam_restic.repository import taken

# What is done, in which repositories, and the prefix of its figures.
JOBS = {"take": (take, [FIRST], ""), "copy": (copy, COPIES, ""), "prove": (prove, REPOSITORIES, "restore_test_")}


def main() -> int:
    """The exit status: 0, 1 when something failed for a role or is not done, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="xteam-redis-backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=[*JOBS, "list", "init", "done", "serve"])
    parser.add_argument("words", nargs="*", metavar="ROLE")
    options = parser.parse_args()
    os.umask(0o077)
    if options.command in JOBS:
        return _job(parser, options.command, options.words)
    if options.command == "list":
        return 0 if overview() else 1
    if options.command == "init":
        make()
    elif options.command == "serve" and len(options.words) == 1 and options.words[0].count(":") == 2:
        role, snapshot, number = options.words[0].split(":")
        serve(role, snapshot, _repository(number))
    elif options.command == "done" and options.words[:1] in [["init"], *([name] for name in JOBS)]:
        since = {role: float(moment) for role, _, moment in (one.partition("=") for one in options.words[1:])}
        return 0 if _is_done(options.words[0], since) else 1
    else:
        parser.error("see --help")
    return 0


def _job(parser: argparse.ArgumentParser, name: str, wanted: list[str]) -> int:
    if unknown := set(wanted) - set(ROLES):
        parser.error(f"no backups of {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}")
    work, repositories, prefix = JOBS[name]
    if not repositories:
        parser.error("there is one repository: backup_s3_bucket is not set")
    good = [_attempt(role, one, work, prefix) for one in repositories for role in wanted or ROLES]
    if name != "prove":
        for one in repositories:
            one.forget("tags")
    return 0 if all(good) else 1


def _attempt(
    role: str, repository: Repository, work: Callable[[str, Repository], dict[str, float]], prefix: str
) -> bool:
    """Do the work for one role and note in the metrics what came of it. One role's failure does not stop the others."""
    started = time.time()
    try:
        figures = work(role, repository)
    except (BackupError, OSError) as error:
        print(f"{role}: {error}", file=sys.stderr, flush=True)
        metrics.note(role, repository, metrics.ended(prefix, good=False))
        return False
    took = metrics.took(prefix, time.time() - started)
    metrics.note(role, repository, {**figures, **metrics.ended(prefix, good=True), **took})
    return True


def _repository(number: str) -> Repository:
    for one in REPOSITORIES:
        if str(one.number) == number:
            return one
    raise BackupError(f"there is no repository {number}")


def _is_done(what: str, since: dict[str, float]) -> bool:
    """since: from when each role's present data is; what was taken before is of another role of that name."""
    if what == "init":
        return all(one.exists() for one in REPOSITORIES)
    _, repositories, _ = JOBS[what]
    # What was proved is there. To open a repository takes the best part of a second of a core.
    unproved = [one for one in repositories if not all(proved(role, one, since.get(role, 0)) for role in ROLES)]
    if what == "prove":
        return not unproved
    return all(_kept(one, since) for one in unproved)


def _kept(repository: Repository, since: dict[str, float]) -> bool:
    """Whether there is a snapshot of every role's present data."""
    kept = repository.snapshots()
    return all(any(role in one["tags"] and taken(one) >= since.get(role, 0) for one in kept) for role in ROLES)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BackupError as error:
        sys.exit(f"xteam-redis-backup: {error}")
