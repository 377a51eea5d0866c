"""What TLS with an ACL costs, and what a second io-thread brings: redis-benchmark on scratch instances, in turn.

On one host, on loopback, nothing kept on disk; the same instance plain, with TLS and rights on some keys and commands
only, and with that and two io-threads. No password: it is asked for once a connection, not once a command, and would
stand in the list of processes. Only ratios of neighbouring runs mean anything on a machine that others use.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from bench.lab import Bench, BenchError
from bench.results import Results, table
from checklist.hosts import CheckedHost
from xteam_infra.plan.needs import CA_PATH

RESULTS = Results(Path("build/bench/redis-tls.json"))
DIRECTORY = "/run/xteam-bench"
CERTIFICATE = "/etc/xteam/pki/redis-cache"
CA = CA_PATH
COMMON = "--bind 127.0.0.1 --save '' --appendonly no --maxmemory 64mb --maxmemory-policy allkeys-lru --logfile ''"
TLS = (
    f"--port 0 --tls-cert-file {DIRECTORY}/crt --tls-key-file {DIRECTORY}/key --tls-ca-cert-file {CA}"
    " --tls-auth-clients no"
)
# The application's own rights, on redis-benchmark's keys.
RIGHTS = "--user default on nopass resetkeys '~key:*' resetchannels -@all +@read +@write +@connection '+config|get'"
INSTANCES = {
    "plain": (16479, "--port 16479"),
    "tls": (16480, f"{TLS} --tls-port 16480 {RIGHTS}"),
    "tls, 2 io-threads": (16481, f"{TLS} --tls-port 16481 --io-threads 2 {RIGHTS}"),
}
PAIRS = (("tls", "plain"), ("tls, 2 io-threads", "tls"))


def arguments(parser: argparse.ArgumentParser) -> None:
    """The measurement's own options."""
    parser.add_argument("--pairs", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=60_000, help="of each run (default: %(default)s)")
    parser.add_argument("--pipeline", type=int, default=1, help="requests sent at once (default: %(default)s)")


def measure(bench: Bench, options: argparse.Namespace) -> bool:
    """All pairs."""
    host = bench.hosts.group("redis")[0]
    try:
        _start(host)
        for number in range(options.pairs):
            for pair in PAIRS:
                found = {}
                for name in pair if number % 2 else reversed(pair):
                    found[name] = _benchmark(host, name, options)
                RESULTS.keep({"pipeline": options.pipeline, "pair": pair, "load": _load(host), **_ratios(found, pair)})
    finally:
        units = " ".join(map(_unit, INSTANCES))
        host.run(f"systemctl stop {units} 2>/dev/null; systemctl reset-failed {units} 2>/dev/null; rm -rf {DIRECTORY}")
    return False


def _unit(name: str) -> str:
    return f"xteam-bench-{INSTANCES[name][0]}.service"


def _start(host: CheckedHost) -> None:
    """All instances, each in a unit that ends by itself within the hour."""
    host.check_output(
        f"install -d -o redis -m 700 {DIRECTORY}; install -o redis -m 600 {CERTIFICATE}.crt {DIRECTORY}/crt;"
        f" install -o redis -m 600 {CERTIFICATE}.key {DIRECTORY}/key"
    )
    for name, (port, options) in INSTANCES.items():
        host.check_output(
            f"systemd-run -q --unit {_unit(name)} -p User=redis -p WorkingDirectory={DIRECTORY} -p RuntimeMaxSec=1h"
            f" redis-server {COMMON} {options}"
        )
        host.check_output(f"timeout 20 sh -c 'until ss -Hltn sport = :{port} | grep -q .; do sleep 0.2; done'")


def _benchmark(host: CheckedHost, name: str, options: argparse.Namespace) -> dict[str, float]:
    """Requests a second by command."""
    port = INSTANCES[name][0]
    tls = "" if name == "plain" else f"--tls --cacert {CA}"
    said = host.check_output(
        f"redis-benchmark -h 127.0.0.1 -p {port} {tls} -t set,get -n {options.requests} -c 50 -d 100 -r 100000"
        f" -P {options.pipeline} --csv",
        timeout=600,
    )
    found = {}
    for line in said.splitlines():
        words = [word.strip('"') for word in line.split(",")]
        if words[0] in ("SET", "GET"):
            found[words[0]] = float(words[1])
    if len(found) != 2:
        raise BenchError(f"redis-benchmark says: {said[-500:]}")
    return found


def _ratios(found: dict[str, dict[str, float]], pair: tuple[str, str]) -> dict[str, Any]:
    first, second = pair
    ratios = {command: round(found[first][command] / found[second][command], 3) for command in ("SET", "GET")}
    return {"requests_a_second": found, "ratio": ratios}


def _load(host: CheckedHost) -> float:
    return float(host.check_output("cat /proc/loadavg").split()[0])


def summary(runs: list[dict[str, Any]]) -> str:
    """The ratios by pair, as a Markdown table."""
    rows = []
    for pair, pipeline in dict.fromkeys((tuple(run["pair"]), run["pipeline"]) for run in runs):
        mine = [run for run in runs if (tuple(run["pair"]), run["pipeline"]) == (pair, pipeline)]
        for command in ("SET", "GET"):
            ratios = [run["ratio"][command] for run in mine]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            rows.append((" / ".join(pair), pipeline, command, len(mine), f"{statistics.median(ratios):.2f}", spread))
    return table(("pair", "pipeline", "command", "pairs", "ratio, median", "from, to"), rows)
