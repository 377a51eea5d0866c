"""xteam-updates COMMAND: updates of this host, and its reboots. Run as root."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from xteam_updates.leaving import go_on, hand_over, led
from xteam_updates.metrics import write
from xteam_updates.waiting import kept_back, outdated_units, reboot_since, remember
from xteam_updates.whole import not_whole

SETTINGS = Path("/etc/xteam/updates.json")


def whole() -> int:
    """Ends with 1, and says what is missing, unless all this host belongs to is whole."""
    settings = json.loads(SETTINGS.read_text())
    missing = not_whole(settings["whole"], settings["units"])
    for line in missing:
        print(line)
    return 1 if missing else 0


def status() -> int:
    """What waits, as JSON."""
    waiting = {"kept_back": kept_back(), "reboot_since": reboot_since(), "outdated_units": outdated_units()}
    print(json.dumps(waiting))
    return 0


def record() -> int:
    """Write the metrics, and remember since when services run what was replaced."""
    outdated = outdated_units()
    remember(outdated)
    write(json.loads(SETTINGS.read_text())["metrics"], kept_back(), reboot_since(), outdated, time.time())
    return 0


def leads() -> int:
    """What this host leads, each on a line."""
    for name in led(json.loads(SETTINGS.read_text())["leaves"]):
        print(name)
    return 0


def leave() -> int:
    """Hand over what this host leads, and take requests away from it: it can be rebooted then."""
    failed = hand_over(json.loads(SETTINGS.read_text())["leaves"])
    if failed:
        print(f"xteam-updates: {failed}; everything is taken back", file=sys.stderr)
    return 1 if failed else 0


def stay() -> int:
    """Serve again after leave, when there is no reboot after all."""
    go_on(json.loads(SETTINGS.read_text())["leaves"])
    return 0


def reboot() -> int:
    """Leave and reboot, if an update waits for it; otherwise do nothing."""
    if reboot_since() is None and not outdated_units():
        print("nothing waits for a reboot")
        return 0
    return leave() or subprocess.run(["systemctl", "--no-block", "reboot"], check=False).returncode


def main() -> int:
    commands = {
        "whole": whole,
        "status": status,
        "record": record,
        "leads": leads,
        "leave": leave,
        "stay": stay,
        "reboot": reboot,
    }
    parser = argparse.ArgumentParser(prog="xteam-updates", description=__doc__)
    shown = "; ".join(f"{name}: {command.__doc__}" for name, command in commands.items())
    parser.add_argument("command", choices=commands, help=shown)
    return commands[parser.parse_args().command]()


if __name__ == "__main__":
    sys.exit(main())
