"""How long PostgreSQL takes no writes, and what is lost, when its leader's host fails. In a lab.

    python -m bench.failover --runs 10                  power loss of the leader's host, the leader at random
    python -m bench.failover --fault cut --runs 3       its network is cut; every member is asked who takes writes
    python -m bench.failover --fault lost               power loss and the disk gone: a bare host replaces it
    python -m bench.failover --fault switchover         handed over, as planned work does
    python -m bench.failover --fault quorum             most of etcd is gone for 30 seconds
    python -m bench.failover --summary                  the table of all runs kept in build/bench/failover.json

An application writes from a host of the group app or worker, as in the drills. Runs are added to the file one by one,
so a measurement can be taken in parts.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.lab import Bench, BenchError
from bench.results import Results, percentile, table
from tests.drills.harness.write_probe import WriteProbe, handovers, overlaps
from tests.drills.harness.writers import COLUMNS, postgres_orders

RESULTS = Results(Path("build/bench/failover.json"))
TABLE, ASKED = "public.xteam_bench", "public.xteam_bench_asked"
PATIENCE = 240
QUORUM_SECONDS = 30
# What makes a bare host a member.
LAYERS = ("base", "firewall", "certificates", "etcd", "postgres")


@dataclass
class Run:
    """One fault on a whole cluster. same_host: whether the leader of etcd is to be on the host that fails."""

    bench: Bench
    way: str
    same_host: bool
    found: dict[str, Any] = field(default_factory=dict)

    def measure(self, fault: Callable[["Run", str], float]) -> dict[str, Any]:
        """Choose a leader at random, write, let it fail, wait until all is whole again, count."""
        cluster = self.bench.cluster
        self.bench.wait(cluster.whole, PATIENCE)
        leader = self._prepared(random.choice(cluster.members).name)  # noqa: S311 - no secret
        with cluster.table(TABLE, COLUMNS):
            writer = self.bench.writer(postgres_orders(self.bench.estate, self.bench.secret, TABLE, self.way))
            time.sleep(3)
            self._lead_etcd(leader)
            self.found |= {"leader": leader, "etcd_leader_too": cluster.etcd_leader() == leader}
            began = fault(self, leader)
            writer.goes_on(self.bench.eventually, PATIENCE)
            self.bench.wait(cluster.whole, PATIENCE)
            self.found["whole_again_seconds"] = round(time.time() - began, 1)
            self.found |= writer.result(self.bench.eventually).figures()
        return {"at": round(began), "way": self.way, **self.found}

    def _prepared(self, wanted: str) -> str:
        """The wanted member leads, if it can; the name of the one that does."""
        cluster = self.bench.cluster
        leader = cluster.leader()
        if leader != wanted:
            self.bench.hosts[wanted].check_output(
                f"XTEAM_TIMEOUT=60 xteam-patronictl switchover --leader {leader} --candidate {wanted} --force; true"
            )
            self.bench.wait(cluster.whole, PATIENCE)
        return cluster.present_leader()

    def _lead_etcd(self, leader: str) -> None:
        """etcd's leader is where it is to be. Asked for at the last moment: the heartbeat moves it away by itself."""
        cluster = self.bench.cluster
        deciding = cluster.etcd_leader()
        heirs = [host.name for host in self.bench.hosts.group("etcd") if (host.name == leader) == self.same_host]
        if deciding not in heirs and heirs:
            cluster.move_etcd_leader(deciding, random.choice(heirs))  # noqa: S311


def power(run: Run, leader: str) -> float:
    """Power loss; the host comes back once another leads."""
    began = run.bench.faults.kill(leader)
    run.bench.wait(lambda: run.bench.cluster.leader(without=(leader,)), PATIENCE)
    run.bench.faults.start(leader)
    started = time.time()
    run.bench.wait(run.bench.cluster.whole, PATIENCE)
    run.found["rejoin_seconds"] = round(time.time() - started, 1)
    return began


def lost(run: Run, leader: str) -> float:
    """The host and its disk are gone for good, and a bare one takes its place by the deploys."""
    began = run.bench.faults.kill(leader)
    run.bench.wait(lambda: run.bench.cluster.leader(without=(leader,)), PATIENCE)
    run.bench.faults.replace(leader)
    started = time.time()
    run.bench.deploy(LAYERS)
    run.found["replaced_seconds"] = round(time.time() - started, 1)
    return began


def cut(run: Run, leader: str) -> float:
    """The network of the leader's host; probes on all members say who took writes meanwhile."""
    bench, members = run.bench, run.bench.cluster.members
    with bench.cluster.table(ASKED, "moment timestamptz DEFAULT clock_timestamp()"), ExitStack() as stack:
        probes = [WriteProbe(host, bench.estate.postgres.POSTGRES_DB, ASKED) for host in members]
        for probe in probes:
            stack.callback(probe.remove)
        bench.wait(lambda: any(probe.seen().writes for probe in probes), 30)
        began = bench.faults.cut(leader)
        bench.wait(lambda: bench.cluster.leader(without=(leader,)), PATIENCE)
        time.sleep(5)  # both sides go on being asked
        bench.faults.heal(leader)
        started = time.time()
        bench.wait(bench.cluster.whole, PATIENCE)
        run.found["rejoin_seconds"] = round(time.time() - started, 1)
        seen = [probe.seen() for probe in probes]
    stretches = handovers(seen)
    run.found["two_leaders_at"] = len(overlaps(seen))
    run.found["took_writes"] = [name for name, _, _ in stretches]
    run.found["old_refused_after_seconds"] = round(stretches[0][2] - began, 1)
    return began


def switchover(run: Run, leader: str) -> float:
    """Handed over by the command an operator types."""
    began = time.time()
    run.bench.hosts[leader].check_output(f"XTEAM_TIMEOUT=60 xteam-patronictl switchover --leader {leader} --force")
    return began


def quorum(run: Run, leader: str) -> float:
    """Two of three etcd members stop, and come back."""
    members = [host.name for host in run.bench.hosts.group("etcd")]
    gone = [name for name in members if name != leader][: len(members) // 2 + 1]
    began = time.time()
    for name in gone:
        run.bench.faults.stop(name, "etcd.service")
    time.sleep(QUORUM_SECONDS)
    run.found["led_meanwhile"] = run.bench.cluster.leader()
    for name in gone:
        run.bench.faults.start_unit(name, "etcd.service")
    return began


FAULTS: dict[str, Callable[[Run, str], float]] = {
    "power": power,
    "lost": lost,
    "cut": cut,
    "switchover": switchover,
    "quorum": quorum,
}


def summary(runs: list[dict[str, Any]]) -> str:
    """The runs by fault and way, as a Markdown table."""
    head = ("fault", "way", "runs", "s without writes: p50", "p95", "max", "acknowledged", "lost")
    rows = []
    for fault, way in dict.fromkeys((run["fault"], run["way"]) for run in runs):
        mine = [run for run in runs if (run["fault"], run["way"]) == (fault, way)]
        outages = [run["outage_seconds"] for run in mine]
        whole = [run["whole_again_seconds"] for run in mine]
        numbers = [percentile(outages, 0.5), percentile(outages, 0.95), max(outages)]
        numbers += [sum(run["acknowledged"] for run in mine), sum(run["lost"] for run in mine)]
        rows.append((fault, way, len(mine), *numbers, percentile(whole, 0.5), max(whole)))
    return table((*head, "s until whole: p50", "max"), rows)


def main() -> int:
    """The exit status: 0, 1 when a write was lost or two led at once, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__.partition("\n")[0])
    parser.add_argument("--inventory", default="inventories/lab.py", help="default: %(default)s")
    parser.add_argument("--fault", choices=FAULTS, default="power", help="default: %(default)s")
    parser.add_argument("--way", choices=("router", "pooler", "members"), default="router", help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--etcd-leader", type=int, default=0, metavar="N", help="in the first N, etcd's leader fails too"
    )
    parser.add_argument("--summary", action="store_true", help="only print the table of what is kept")
    options = parser.parse_args()
    if options.summary:
        print(summary(RESULTS.kept()))
        return 0
    bad = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end mends what is broken, too
    try:
        with Bench(options.inventory) as bench:
            for number in range(options.runs):
                run = Run(bench, options.way, same_host=number < options.etcd_leader).measure(FAULTS[options.fault])
                RESULTS.keep({"fault": options.fault, **run})
                bad |= run["lost"] > 0 or run.get("two_leaders_at", 0) > 0
    except (BenchError, AssertionError, pytest.skip.Exception) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    print(summary(RESULTS.kept()))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
