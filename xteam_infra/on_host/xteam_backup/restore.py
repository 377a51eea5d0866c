"""Restores of PostgreSQL. Run as root; tasks/restore.py calls this, and it can be called by hand.

On the backup host, into a scratch instance; the cluster is never touched:
  xteam-restore to latest                     everything that is archived
  xteam-restore to "2026-11-23 07:40:00+00"   as it was at that moment
  xteam-restore to name:before-migration      at a restore point (select pg_create_restore_point(...))
  xteam-restore to 0/5000028 --repo 2         at a place in the WAL, from the second repository
  xteam-restore list | remove NAME
  xteam-restore drill next                    a rehearsal; what came of it is kept
  xteam-restore rehearse RELEASE              its migrations on a copy; tasks/release.py brings it and calls this
On a database host, a part of a restore in place (docs/runbooks/restore.md): cluster-check, cluster, aside.
"""

import argparse
import os
import sys
from datetime import UTC, datetime

from xteam_backup import cluster, drill
from xteam_backup.common import BackupError, Settings, read_settings, stamp
from xteam_backup.rehearse import rehearse
from xteam_backup.scratch import Scratches
from xteam_backup.targets import FORMS, Target, parse


def main() -> int:
    """0 done, 1 refused or failed."""
    options = _parser().parse_args()
    try:
        if os.geteuid() != 0:
            raise BackupError("run this as root: sudo xteam-restore ...")
        return 0 if _run(options, read_settings()) else 1
    except BackupError as error:
        print(f"xteam-restore: {error}", file=sys.stderr, flush=True)
        return 1


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="xteam-restore", description=__doc__, formatter_class=formatter)
    commands = parser.add_subparsers(dest="command", required=True)
    aim = argparse.ArgumentParser(add_help=False)
    aim.add_argument("target", help=FORMS)
    aim.add_argument("--repo", type=int, default=1, help="repository to restore from (default: 1)")
    aim.add_argument("--backup", default="", metavar="LABEL", help="begin with this backup instead of the fitting one")
    aim.add_argument("--timeline", default="latest", help="follow this timeline, after an earlier restore in place")
    to = commands.add_parser("to", parents=[aim], help="restore into a scratch instance")
    to.add_argument("--aside", default="", metavar="SYSTEM-ID", help="from backups of a cluster that are kept aside")
    to.add_argument("--replace", action="store_true", help="delete what an earlier restore of this moment left")
    commands.add_parser("list", help="list scratch instances")
    commands.add_parser("remove", help="stop and delete a scratch instance").add_argument("name")
    commands.add_parser("drill", help="rehearse").add_argument("which", help="repo1, repo2, or next: the longest ago")
    commands.add_parser("rehearse", help="a release's migrations on a copy").add_argument("release")
    commands.add_parser("cluster-check", parents=[aim], help="whether a restore in place can be carried out here")
    commands.add_parser("cluster", parents=[aim], help="restore this host's data directory; Patroni is stopped")
    commands.add_parser("aside", help="move this host's data directory aside; Patroni is stopped")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> bool:
    if options.command == "drill":
        which = options.which.removeprefix("repo")
        return drill.drill(settings, drill.choose(settings) if which == "next" else int(which))
    if options.command == "rehearse":
        rehearse(settings, options.release)
        return True
    if options.command == "aside":
        cluster.set_aside()
        return True
    if options.command in ("list", "remove"):
        scratches = Scratches(settings, 1)
        scratches.overview() if options.command == "list" else scratches.remove(options.name)
        return True
    target = _target(options.target)
    if options.repo not in settings["repositories"]:
        raise BackupError(f"there is no repository {options.repo}; there are: {settings['repositories']}")
    if options.command == "to":
        scratches = Scratches(settings, options.repo, options.timeline, aside=options.aside)
        scratches.restore(target, options.replace, options.backup)
    elif options.command == "cluster-check":
        cluster.refuse(settings, target, options.repo, options.backup)
    else:
        cluster.restore(settings, target, options.repo, options.backup, options.timeline)
    return True


def _target(text: str) -> Target:
    try:
        target = parse(text)
    except ValueError as error:
        raise BackupError(f"target {text!r} is not understood; allowed: {error}") from None
    if target.moment and target.moment > datetime.now(UTC):
        raise BackupError(f"target {text!r} is in the future; now it is {stamp(datetime.now(UTC))}")
    return target


if __name__ == "__main__":
    sys.exit(main())
