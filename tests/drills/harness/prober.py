"""Somebody who asks the site without pause, each time over a new connection, from a host of the estate."""

from itertools import pairwise
from shlex import quote

UNIT, DIRECTORY = "xteam-drill-prober", "/run/xteam-drill-prober"
# One line a request: when it ended, and its status; 000 is no answer.
ASK = f"""
mkdir -p {DIRECTORY}; touch {DIRECTORY}/go
while [ -e {DIRECTORY}/go ]; do
    for address in $2; do
        status=$(curl -s -o /dev/null -m "$4" $3 --resolve "$1:443:$address" -w '%{{http_code}}' "https://$1/healthz")
        echo "$EPOCHREALTIME $status" >> {DIRECTORY}/answers
        sleep 0.05
    done
done
"""


class Prober:
    """Asks `address` (several, with blanks between: by turns) as `name`.

    trust: curl's words on whom to trust. patience: seconds until a request has failed.
    """

    def __init__(self, host, name: str, address: str, trust: str, patience: int = 2):
        self.host = host
        self.stop()
        words = " ".join(map(quote, (ASK, "ask", name, address, trust, str(patience))))
        host.check_output(f"systemd-run -q --collect --unit {UNIT} bash -c {words}")

    def answers(self) -> list[tuple[float, str]]:
        """Moment and status of each request up to now."""
        lines = self.host.run(f"cat {DIRECTORY}/answers 2>/dev/null").stdout.splitlines()
        return [(float(moment), status) for moment, status in map(str.split, lines)]

    def answered(self, after: float = 0) -> list[float]:
        """Moments of the answers after a moment."""
        return [moment for moment, status in self.answers() if status != "000" and moment > after]

    def unanswered(self, after: float = 0) -> int:
        """How many requests got no answer."""
        return sum(status == "000" and moment > after for moment, status in self.answers())

    def longest_pause(self) -> float:
        """Seconds between two answers."""
        return round(max((b - a for a, b in pairwise(self.answered())), default=0.0), 1)

    def stop(self) -> None:
        """It ends, and nothing is left of it."""
        self.host.run(f"rm -f {DIRECTORY}/go; systemctl stop {UNIT}; rm -rf {DIRECTORY}")
