"""Have the API of this host run a release, without losing a request: its instances blue and green take turns.

  xteam-switch status           which instance serves, and with which release
  xteam-switch switch RELEASE   start the other instance, let it serve once it is ready, then stop the one before
  xteam-switch restore RELEASE  have everything on this host run that release again, workers and Beat included
  xteam-switch leave            take requests away from this host, before a reboot
  xteam-switch stay             serve again, when there is no reboot after all

When the new instance does not become ready it is stopped again, and the one before goes on serving as if nothing had
been. Run as root. Settings: /etc/xteam/switch.json, from group_data/app.py. Managed by xteam-infra.
"""

import argparse
import fcntl
import os
import sys
from pathlib import Path

from xteam_switch.common import SwitchError, complain
from xteam_switch.host import Host
from xteam_switch.settings import read_settings

LOCK = Path("/run/lock/xteam-switch")


def parser() -> argparse.ArgumentParser:
    """The words it understands."""
    found = argparse.ArgumentParser(prog="xteam-switch", description=(__doc__ or "").split("\n\n")[0])
    commands = found.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="which instance serves")
    switch = commands.add_parser("switch", help="put a release in use by the API")
    switch.add_argument("release", help="id of a release in /opt/xteam/releases")
    restore = commands.add_parser("restore", help="go back to a release on this host")
    restore.add_argument("release", help="id of a release that was in use before")
    commands.add_parser("leave", help="take requests away from this host, before a reboot")
    commands.add_parser("stay", help="serve again, when there is no reboot after all")
    return found


def main() -> int:
    options = parser().parse_args()
    if os.geteuid() != 0:
        parser().error("run this as root: sudo xteam-switch ...")
    host = Host(read_settings())
    try:
        if options.command == "status":
            host.status()
            return 0
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            words = [options.release] if "release" in options else []
            getattr(host, options.command)(*words)
    except SwitchError as error:
        complain(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
