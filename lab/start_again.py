"""Start a host again that has just rebooted: python -m lab.start_again LAB HOST; called by lab/power.py."""

from __future__ import annotations

import sys

from lab import host, state
from lab.errors import LabError


def main() -> int:
    """Start it with the disk it had. It says on the host's console why it can't."""
    try:
        lab = state.load(sys.argv[1])
        one = lab.host(sys.argv[2])
        host.forget_traces(lab, one)
        host.boot(lab, one)
    except LabError as error:
        print(f"{sys.argv[2]} does not start again: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
