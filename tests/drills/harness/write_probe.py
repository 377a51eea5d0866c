"""Witnesses: on each PostgreSQL member, whether that member itself takes writes, asked there again and again.

A member that is cut off can't be asked from outside; its probe is read when it is back.
"""

from dataclasses import dataclass

from checklist.hosts import CheckedHost

UNIT = "xteam-drill-write-probe"
DIRECTORY = "/run/xteam-drill-write-probe"
# A commit that waits for no replica: what is asked is whether the server takes it, not whether it is safe.
SCRIPT = """#!/bin/bash
cd /
while :; do
    began=$(date +%s.%N)
    if timeout 2 runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d DATABASE \\
        -c "SET synchronous_commit = local; INSERT INTO TABLE VALUES (DEFAULT)" >/dev/null 2>&1; then
        echo "$began $(date +%s.%N)"
    fi
    sleep 0.2
done
"""


@dataclass(frozen=True)
class Seen:
    """When a member took writes, as (begun, done) of each, by its host's clock."""

    name: str
    writes: list[tuple[float, float]]

    def since(self, moment: float) -> list[tuple[float, float]]:
        """Those that were begun after a moment."""
        return [one for one in self.writes if one[0] > moment]


class WriteProbe:
    """Asks on one member from now on. table: has one column with a default; `database` holds it."""

    def __init__(self, host: CheckedHost, database: str, table: str):
        self.host = host
        self.remove()
        host.check_output(f"install -d -m 700 {DIRECTORY}")
        host.run_with_stdin(f"cat > {DIRECTORY}/ask", SCRIPT.replace("DATABASE", database).replace("TABLE", table))
        host.check_output(
            f"systemd-run -q --unit {UNIT} -p StandardOutput=append:{DIRECTORY}/writes -p StandardError=null"
            f" bash {DIRECTORY}/ask"
        )

    def seen(self) -> Seen:
        """What it has seen up to now."""
        lines = self.host.run(f"cat {DIRECTORY}/writes").stdout.splitlines()
        words = [line.split() for line in lines]
        return Seen(self.host.name, [(float(one[0]), float(one[1])) for one in words if len(one) == 2])

    def remove(self) -> None:
        """Stop asking."""
        self.host.run(
            f"systemctl stop {UNIT} 2>/dev/null; systemctl reset-failed {UNIT} 2>/dev/null; rm -rf {DIRECTORY}"
        )


def overlaps(seen: list[Seen]) -> list[str]:
    """Moments at which two members took writes: each is a failure of the cluster."""
    found = []
    for index, one in enumerate(seen):
        for other in seen[index + 1 :]:
            for begun, done in one.writes:
                hits = [w for w in other.writes if w[0] <= done and begun <= w[1]]
                found += [f"{one.name} and {other.name} both took a write at {begun:.3f}"] if hits else []
    return found


def handovers(seen: list[Seen]) -> list[tuple[str, float, float]]:
    """(member, first, last write) of each stretch in which one member took the writes, in the order of time."""
    writes = sorted((begun, done, one.name) for one in seen for begun, done in one.writes)
    stretches: list[tuple[str, float, float]] = []
    for begun, done, name in writes:
        if stretches and stretches[-1][0] == name:
            stretches[-1] = (name, stretches[-1][1], done)
        else:
            stretches.append((name, begun, done))
    return stretches
