"""What the whole chain costs: a load through an edge, and on the application's servers alone, in turn.

    python -m bench.load --inventory inventories/lab.py --pairs 10 --seconds 20

Prints requests a second and the 99th percentile of the time to an answer, each with the ratio edge/alone, as a Markdown
table, and keeps each run in build/bench/load.json. One edge's host asks (nobody else may ask the application), another
one is asked, where there are several. Both ways are HTTPS over connections that stay open. Meanwhile the limit
of requests per client is raised, by deploys of app and edge.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.lab import Bench, BenchError
from bench.pairs import keep
from bench.results import table
from tests.drills.harness.load import PATHS, UNLIMITED, Seen, Wrk, ways

LAYERS = ("app", "edge")
HEAD = (
    "asked for", "pairs", "requests/s, edge / alone (medians)", "ratio: median", "least", "most",
    "p99 ms, edge / alone (medians)", "ratio: median",
)  # fmt: skip


def measure(bench: Bench, options: argparse.Namespace) -> list[dict[str, Any]]:
    """For each path, pairs of what was seen through the edge and alone. Who goes first alternates."""
    client, site, alone = ways(bench.hosts)
    wrk = Wrk(client, bench.estate.all.domain, options.connections)

    def ask(addresses: list[str], path: str) -> Seen:
        seen = wrk(addresses, path, options.seconds)
        if seen.failed:
            raise BenchError(f"{seen.failed} of {seen.requests} requests for {path} failed at {', '.join(addresses)}")
        return seen

    try:
        return [{"path": path, "pairs": _pairs(ask, site, alone, path, options.pairs)} for path in PATHS]
    finally:
        wrk.remove()


def _pairs(
    ask: Callable[[list[str], str], Seen], site: list[str], alone: list[str], path: str, pairs: int
) -> list[dict[str, Any]]:
    for one in (site, alone):
        ask(one, path)  # caches fill
    found = []
    for number in range(pairs):
        seen = {}
        for addresses in (alone, site) if number % 2 else (site, alone):
            seen["edge" if addresses is site else "alone"] = asdict(ask(addresses, path))
        found.append(seen)
        print(f"{path}, {number + 1} of {pairs}: {seen['edge']} / {seen['alone']}", flush=True)
    return found


def row(run: dict[str, Any]) -> list[object]:
    """A line of the table."""
    edge, alone = ([pair[way] for pair in run["pairs"]] for way in ("edge", "alone"))
    rates = [a["per_second"] / b["per_second"] for a, b in zip(edge, alone, strict=True)]
    slow = [a["p99_ms"] / b["p99_ms"] for a, b in zip(edge, alone, strict=True)]

    def both(what: str) -> str:
        return " / ".join(f"{statistics.median(one[what] for one in way):.0f}" for way in (edge, alone))

    ratios = [f"{number:.2f}" for number in (statistics.median(rates), min(rates), max(rates))]
    return [
        f"`{run['path']}`",
        len(rates),
        both("per_second"),
        *ratios,
        both("p99_ms"),
        f"{statistics.median(slow):.2f}",
    ]


def main() -> int:
    """The exit status: 0, or 2 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inventory", default="inventories/lab.py", help="default: %(default)s")
    parser.add_argument("--pairs", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=20, help="of each run; default: %(default)s")
    parser.add_argument("--connections", type=int, default=32, help="default: %(default)s")
    options = parser.parse_args()
    try:
        with Bench(options.inventory) as bench:
            if not (bench.hosts.group("edge") and bench.hosts.group("app")):
                raise BenchError("an edge and a host of the application are needed")
            bench.deploy(LAYERS, **UNLIMITED)
            try:
                runs = measure(bench, options)
            finally:
                bench.deploy(LAYERS)
    except BenchError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    keep("load", {"connections": options.connections, "seconds": options.seconds, "runs": runs})
    print(table(HEAD, map(row, runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
