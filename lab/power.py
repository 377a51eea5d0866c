"""What starts a host again that reboots, as a server's firmware does.

systemd-nspawn ends with a status of its own when its host reboots. A small shell waits for it, and calls
lab/start_again.py only then.
"""

from __future__ import annotations

import sys
from pathlib import Path

# What nspawn tells whoever is to start it again (--keep-unit).
_REBOOTS = 133
# By these words a shell that waits is told from the nspawn it waits for: it has all of nspawn's too.
_WAITS, _STARTS = "xteam-lab-power", "lab.start_again"
_PROJECT = Path(__file__).parent.parent


def watched(option: str, lab: str, host: str, command: list[str | Path]) -> list[str | Path]:
    """Words for /bin/sh that run the host's command, and start the host again when it reboots.

    option: nspawn's word that tells whose process it is.
    """
    again = f'cd {_PROJECT} && exec {sys.executable} -m {_STARTS} {lab} {host} "$1"'
    script = f'option=$1; shift; "$@"; [ $? != {_REBOOTS} ] || {{ set -- "$option"; {again}; }}'
    return [_WAITS, "-c", script, "sh", option, *command]


def waits(words: list[bytes]) -> bool:
    """Whether a process with this command line is what starts a host again."""
    return words[0] == _WAITS.encode() or _STARTS.encode() in words
