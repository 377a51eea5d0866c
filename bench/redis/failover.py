"""How long a role takes no writes, and what is lost, when its master fails.

power: its host loses power; a client on a host of the application. cut: its host's network is cut, together with a
client that writes to it. kill: kill -9 of the instance, under each appendfsync.
Where the time goes is read from the Sentinels' own journals and from the client's ledger.
"""

import argparse
import time
from itertools import pairwise
from os import getloadavg
from pathlib import Path
from typing import Any

from bench.lab import Bench
from bench.results import Results, percentile, table
from checklist.hosts import CheckedHost
from tests.drills.harness.redis import acknowledged_alone, all_follow, ask, master_of
from tests.drills.harness.writers import Writer, redis_orders
from xteam_infra.layers.redis.needs import SENTINEL_UNIT, unit

RESULTS = Results(Path("build/bench/redis-failover.json"))
ROLE, KEY = "queue", "xteam-bench"
PATIENCE = 240
FSYNC = "always"
# What Sentinel says on its way, and what that means.
STEPS = {"+sdown": "noticed", "+odown": "agreed", "+elected-leader": "elected", "+switch-master": "switched"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The measurement's own options."""
    parser.add_argument("--fault", choices=("power", "cut", "kill"), default="power", help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--way",
        choices=("sentinel", "router"),
        default="sentinel",
        help="how the client finds the master; with cut always sentinel (default: %(default)s)",
    )
    parser.add_argument(
        "--appendfsync", choices=("always", "everysec", "no"), default=FSYNC, help="with kill (default: %(default)s)"
    )


def measure(bench: Bench, options: argparse.Namespace) -> bool:
    """All runs of one fault. Whether a write was lost that must not be."""
    bad = False
    for _ in range(options.runs):
        found = FAULTS[options.fault](bench, options)
        settings = {"fault": options.fault, "down_after_ms": bench.estate.redis.redis_down_after_ms}
        RESULTS.keep({**settings, "load": round(getloadavg()[0], 1), **found})
        bad |= found["lost"] > 0 and options.fault != "cut"
    return bad


def power(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """Power loss of the master's host; it comes back once another leads."""
    old, other = _prepared(bench)
    writer = bench.writer(redis_orders(bench.estate, bench.secret, ROLE, KEY, options.way))
    time.sleep(2)
    began = bench.faults.kill(old.name)
    writer.goes_on(bench.eventually, PATIENCE)
    found = {"at": round(began), "way": options.way, **_steps(bench, other, began), **_client(writer, began)}
    bench.faults.start(old.name)
    bench.wait(lambda: all_follow(other, bench.hosts, bench.estate, [ROLE]), PATIENCE)
    return found | writer.result(bench.eventually).figures()


def cut(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """The master's host is cut off with a client that sees no fault, and is told what others don't know."""
    old, other = _prepared(bench)
    orders = {**redis_orders(bench.estate, bench.secret, ROLE, KEY), "sentinels": [old.address]}
    writer = bench.writer(orders, old)
    time.sleep(2)
    began = bench.faults.cut(old.name)
    bench.wait(lambda: master_of(other, bench.hosts, ROLE).name != old.name, PATIENCE)
    time.sleep(bench.estate.redis.redis_instances[ROLE].max_lag_s)
    found = {"at": round(began), "way": "beside the master", **_steps(bench, other, began)}
    bench.faults.heal(old.name)
    healed = time.time()
    bench.wait(lambda: all_follow(other, bench.hosts, bench.estate, [ROLE]), PATIENCE)
    writer.goes_on(bench.eventually, PATIENCE)
    moments = _moments(writer)
    found["refused_after"] = round(max(acknowledged_alone(moments, began), default=began) - began, 2)
    found["written_again_after_heal"] = round(min(one for one in moments if one > healed) - healed, 2)
    return found | writer.result(bench.eventually).figures()


def kill(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """kill -9 of the instance. Its unit starts it again; a killed process leaves what it wrote with the kernel."""
    old, _ = _prepared(bench)
    ask(old, ROLE, f"CONFIG SET appendfsync {options.appendfsync}")
    try:
        writer = bench.writer(redis_orders(bench.estate, bench.secret, ROLE, KEY, options.way))
        time.sleep(2)
        began = time.time()
        old.check_output(f"systemctl kill --signal KILL --kill-whom main {unit(ROLE)}")
        writer.goes_on(bench.eventually, PATIENCE)
        found = {"at": round(began), "way": options.way, "appendfsync": options.appendfsync, **_client(writer, began)}
        bench.wait(lambda: all_follow(old, bench.hosts, bench.estate, [ROLE]), PATIENCE)
        return found | writer.result(bench.eventually).figures()
    finally:
        ask(old, ROLE, f"CONFIG SET appendfsync {bench.estate.redis.redis_instances[ROLE].appendfsync}")


FAULTS = {"power": power, "cut": cut, "kill": kill}


def _prepared(bench: Bench) -> tuple[CheckedHost, CheckedHost]:
    """All replicas follow; the master's host and another one."""
    members = bench.hosts.group("redis")
    bench.wait(lambda: all_follow(members[0], bench.hosts, bench.estate, [ROLE]), PATIENCE)
    old = master_of(members[0], bench.hosts, ROLE)
    return old, next(one for one in members if one.name != old.name)


def _steps(bench: Bench, other: CheckedHost, began: float) -> dict[str, float]:
    """Seconds after the fault at which the Sentinels of the others said what, whoever of them was the first."""
    found: dict[str, float] = {}
    gone = master_of(other, bench.hosts, ROLE).name
    for host in {other.name, gone}:
        said = bench.hosts[host].check_output(
            f"journalctl -u {SENTINEL_UNIT} -o short-unix --no-pager --since @{int(began)}"
        )
        for line in said.splitlines():
            moment = float(line.split()[0])
            for event, name in STEPS.items():
                if f" {event} " in line and f" {ROLE} " in line and moment >= began:
                    found[name] = min(found.get(name, 1e9), round(moment - began, 2))
    return found


def _moments(writer: Writer) -> list[float]:
    return [float(line.split()[1]) for line in writer.host.check_output(f"cat {writer.directory}/ledger").splitlines()]


def _client(writer: Writer, began: float) -> dict[str, float]:
    """When the client reached a master again, and when it wrote again, counted from the fault.

    In between the new master refuses, as long as no replica follows it.
    """
    pauses = [(later - sooner, later) for sooner, later in pairwise(_moments(writer)) if later > began]
    written = max(pauses)[1]
    lines = writer.host.check_output(f"cat {writer.directory}/failures").splitlines()
    failures = [line.split(" ", 1) for line in lines]
    refused = [float(at) for at, said in failures if "NOREPLICAS" in said and began < float(at) < written]
    return {"reached": round(min(refused, default=written) - began, 2), "written_again": round(written - began, 2)}


def summary(runs: list[dict[str, Any]]) -> str:
    """The runs by fault and way, as a Markdown table; seconds."""
    head = ("fault", "client", "runs", "pause p50", "max", "acknowledged", "lost", "each run's lost")
    steps = (*STEPS.values(), "reached", "written_again", "refused_after")
    rows = []
    kind = [(run["fault"], run["way"], run.get("appendfsync", run["down_after_ms"])) for run in runs]
    for one in dict.fromkeys(kind):
        mine = [run for run, its in zip(runs, kind, strict=True) if its == one]
        outages = [run["outage_seconds"] for run in mine]
        lost = [run["lost"] for run in mine]
        medians = [_median(mine, step) for step in steps]
        fault = f"{one[0]}, {'appendfsync' if one[0] == 'kill' else 'down after ms'} {one[2]}"
        numbers = (percentile(outages, 0.5), max(outages), sum(run["acknowledged"] for run in mine), sum(lost))
        rows.append((fault, one[1], len(mine), *numbers, " ".join(map(str, lost)), *medians))
    return table((*head, *(f"{step.replace('_', ' ')} (p50)" for step in steps)), rows)


def _median(runs: list[dict[str, Any]], figure: str) -> object:
    values = [run[figure] for run in runs if figure in run]
    return percentile(values, 0.5) if values else ""
