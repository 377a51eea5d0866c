"""xteam-updates whole | status | record: updates of this host. Run as root."""

import argparse
import json
import sys
import time
from pathlib import Path

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
    write(kept_back(), reboot_since(), outdated, time.time())
    return 0


def main() -> int:
    commands = {"whole": whole, "status": status, "record": record}
    parser = argparse.ArgumentParser(prog="xteam-updates", description=__doc__)
    shown = "; ".join(f"{name}: {command.__doc__}" for name, command in commands.items())
    parser.add_argument("command", choices=commands, help=shown)
    return commands[parser.parse_args().command]()


if __name__ == "__main__":
    sys.exit(main())
