"""What syncing before the answer costs: one client and fifty, under each appendfsync, in turn, on a host's own disk.

A scratch instance without TLS on the first Redis host, beside its own. On a lab's host fsync does nothing: measure on
the servers that are meant.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from bench.lab import Bench, BenchError
from bench.results import Results, table

RESULTS = Results(Path("build/bench/redis-fsync.json"))
DIRECTORY, PORT, UNIT = "/var/lib/redis/xteam-bench", 16482, "xteam-bench-fsync.service"
SERVER = f"redis-server --bind 127.0.0.1 --port {PORT} --save '' --appendonly yes --logfile '' --dir {DIRECTORY}"
POLICIES = ("everysec", "always")
# {clients: writes}: some seconds on a disk that takes milliseconds.
LOADS = {1: 1000, 50: 20_000}
COLUMNS = ("rps", "p50", "p99")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The measurement's own options."""
    parser.add_argument("--runs", type=int, default=5, help="default: %(default)s")


def measure(bench: Bench, options: argparse.Namespace) -> bool:
    """All runs; the policies take turns."""
    host = bench.hosts.group("redis")[0]
    try:
        host.check_output(
            f"install -d -o redis -m 700 {DIRECTORY}; systemd-run -q --unit {UNIT} -p User=redis -p RuntimeMaxSec=1h"
            f" {SERVER}; timeout 20 sh -c 'until ss -Hltn sport = :{PORT} | grep -q .; do sleep 0.2; done'"
        )
        for _ in range(options.runs):
            for policy in POLICIES:
                host.check_output(f"redis-cli -p {PORT} -e CONFIG SET appendfsync {policy}")
                for clients, writes in LOADS.items():
                    said = host.check_output(benchmark(clients, writes), timeout=600)
                    load = float(host.check_output("cat /proc/loadavg").split()[0])
                    RESULTS.keep({"appendfsync": policy, "clients": clients, "load": load, **read(said)})
    finally:
        host.run(f"systemctl stop {UNIT} 2>/dev/null; systemctl reset-failed {UNIT} 2>/dev/null; rm -rf {DIRECTORY}")
    return False


def benchmark(clients: int, writes: int) -> str:
    """The command that measures."""
    return f"redis-benchmark -h 127.0.0.1 -p {PORT} -t set -d 100 -r 100000 -n {writes} -c {clients} --csv"


def read(said: str) -> dict[str, float]:
    """Writes a second and milliseconds, of what redis-benchmark prints. Raises BenchError."""
    for line in said.splitlines():
        words = [word.strip('"') for word in line.split(",")]
        if words[0] == "SET":  # test, rps, avg, min, p50, p95, p99, max
            return {"rps": float(words[1]), "p50": float(words[4]), "p99": float(words[6])}
    raise BenchError(f"redis-benchmark says: {said[-500:]}")


def summary(runs: list[dict[str, Any]]) -> str:
    """Medians, and from where to where, as a Markdown table; milliseconds."""
    rows = []
    for clients in LOADS:
        for policy in POLICIES:
            mine = [run for run in runs if (run["clients"], run["appendfsync"]) == (clients, policy)]
            if mine:
                rows.append((clients, policy, len(mine), *(_spread([run[one] for run in mine]) for one in COLUMNS)))
    return table(("clients", "appendfsync", "runs", "writes a second", "p50 ms", "p99 ms"), rows)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):g} ({min(values):g} to {max(values):g})"
