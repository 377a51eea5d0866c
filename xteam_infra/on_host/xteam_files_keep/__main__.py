"""Backups of users' files, on the backup host. HOST: an API host that sends; without one, all of them.

  xteam-files-keep record [HOST...]       note what has arrived
  xteam-files-keep expire [HOST...]       remove what expired by its time of arrival, and read a part of what is kept
  xteam-files-keep copy [HOST...]         the newest backups into the bucket, and remove what expired there
  xteam-files-keep prove [HOST...]        restore the newest ones from the bucket beside, and compare each byte
  xteam-files-keep list                   what is kept, here and in the bucket, when it arrived, and what does not count
  xteam-files-keep accept HOST...         files may be fewer, the repository another: let things expire again
  xteam-files-keep drop HOST SNAPSHOT...  remove these backups of a host; without one, what belongs to no backup
  xteam-files-keep fetch HOST...          make a host's repository anew from the bucket, after this one was lost
  xteam-files-keep done record|copy|prove whether that has succeeded for every host

As root. Settings: /etc/xteam/files/keep.json. When what arrived: /var/lib/xteam/files/ledger.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from xteam_files_keep import arrivals, work
from xteam_files_keep.places import ARRIVED, BUCKET, SECONDS, SENDERS, TARGET, alone, copied, figures, ledger, local
from xteam_restic.programs import BackupError, run

SERVER = "restic-rest-server.service"
JOBS = {
    "record": arrivals.record,
    "expire": work.expire,
    "copy": work.copy,
    "prove": work.prove,
    "fetch": work.fetch,
    "accept": arrivals.accept,
}


def main() -> int:
    """The exit status: 0, 1 when something failed for a host or is not done, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="xteam-files-keep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=[*JOBS, "list", "drop", "done"])
    parser.add_argument("words", nargs="*", metavar="HOST")
    options = parser.parse_args()
    os.umask(0o077)
    if options.command == "done":
        return 0 if options.words in (["record"], ["copy"], ["prove"]) and _is_done(options.words[0]) else 1
    if options.command in ("copy", "prove", "fetch") and not BUCKET:
        parser.error("backup_s3_bucket is not set: there is no copy")
    if options.command == "list":
        return 0 if all([_listed(host) for host in SENDERS]) else 1
    names = options.words[:1] if options.command == "drop" else options.words
    if unknown := set(names) - set(SENDERS):
        parser.error(f"no backups of {', '.join(sorted(unknown))}; there are {', '.join(SENDERS)}")
    if options.command in ("fetch", "accept", "drop") and not options.words:
        parser.error("say which host's")
    with alone():
        if options.command == "drop":
            work.drop(options.words[0], options.words[1:])
            good = True
        else:
            good = all([_attempt(options.command, host) for host in options.words or SENDERS])
    if options.command in ("expire", "drop", "fetch"):
        # It counts what it keeps when it starts, and what arrives; what went away beside it, it would count for ever.
        run("systemctl", "try-restart", SERVER, seconds=SECONDS)
    return 0 if good else 1


def _attempt(job: str, host: str) -> bool:
    """Do the work for one host. One host's failure does not stop the others."""
    try:
        found = JOBS[job](host)
    except (BackupError, OSError) as error:
        print(f"{host}: {error}", file=sys.stderr, flush=True)
        found = {f"{job}_failure_timestamp_seconds": time.time()}
    if job in ("copy", "prove"):
        figures(host, found)
    return f"{job}_failure_timestamp_seconds" not in found


def _listed(host: str) -> bool:
    """Print what is kept of a host. False when it can't be read."""
    try:
        for line in work.listed(host):
            print(line)
    except BackupError as error:
        print(f"{host}: {error}", file=sys.stderr)
        return False
    return True


def _is_done(job: str) -> bool:
    """For every host that has sent something; and the node exporter, which is nobody in particular, has been told."""
    told = ARRIVED if job == "record" else TARGET
    if not told.exists() or not told.stat().st_mode & 0o004:
        return False
    # Not opened for it, which takes the best part of a second of a core.
    sent = [host for host in SENDERS if Path(local(host).url, "config").exists()]
    if job == "record":
        return all(ledger(host).exists() for host in sent)
    if job == "prove":
        return all(work.proof(host).exists() for host in sent)
    return all(copied(host).snapshots() for host in sent)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BackupError as error:
        sys.exit(f"xteam-files-keep: {error}")
