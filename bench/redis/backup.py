"""Seconds to back up, copy, prove and restore a role with many keys, and whether every key is back. In a lab.

The lab's queue gets the keys (100 bytes each), and loses half of them before each restore. They are removed at the end.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.lab import Bench
from bench.results import Results, table
from checklist.hosts import CheckedHost
from tests.drills.harness.redis import all_follow, master_of

RESULTS = Results(Path("build/bench/redis-backup.json"))
ROLE, PREFIX = "queue", "xteam-bench:"
BATCH = 20_000
PATIENCE, STEP_SECONDS = 240, 1800
# A batch of keys from ARGV[1] to ARGV[2]; every ARGV[3]th when they are removed.
FILL = f"for n = ARGV[1], ARGV[2] do redis.call('SET', '{PREFIX}' .. n, string.format('%08d', n)) end"
REMOVE = f"for n = ARGV[1], ARGV[2], ARGV[3] do redis.call('UNLINK', '{PREFIX}' .. n) end"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The measurement's own options."""
    parser.add_argument("--keys", type=int, default=1_000_000, help="default: %(default)s")


def measure(bench: Bench, options: argparse.Namespace) -> bool:
    """One run. Whether a key was missing after a restore."""
    assert bench.faults.lab, "in a lab only"
    backup, first = bench.hosts.group("backup")[0], bench.hosts.group("redis")[0]
    found: dict[str, Any] = {"at": round(time.time()), "keys": options.keys}
    _follow(bench, first)
    master = master_of(first, bench.hosts, ROLE)
    try:
        found["fill"] = _timed(partial(_batches, master, FILL, options.keys))
        _follow(bench, first)
        found["in_the_role"] = _count(master)
        jobs = ["take", "prove"] if not bench.estate.backup.bucket else ["take", "copy", "prove"]
        for job in jobs:
            found[job] = _timed(partial(backup.check_output, f"xteam-redis-backup {job} {ROLE}", timeout=STEP_SECONDS))
        for number in (1, 2) if bench.estate.backup.bucket else (1,):
            _batches(master_of(first, bench.hosts, ROLE), REMOVE, options.keys, step=2)
            data = {"redis_restore_role": ROLE, "redis_restore_confirm": f"replace {ROLE}", "repository": number}
            found[f"restore_{number}"] = _timed(partial(bench.deploy, ("restore_redis",), **data))
            found[f"keys_back_{number}"] = _count(master_of(first, bench.hosts, ROLE))
            _follow(bench, first)
    finally:
        _follow(bench, first)
        _batches(master_of(first, bench.hosts, ROLE), REMOVE, options.keys, step=1)
        bench.hosts.at_once(bench.hosts.group("redis"), f"rm -rf /var/lib/redis/{ROLE}/before-*")
    RESULTS.keep(found)
    return any(found.get(f"keys_back_{number}", found["in_the_role"]) != found["in_the_role"] for number in (1, 2))


def _batches(master: CheckedHost, script: str, keys: int, step: int = 0) -> None:
    """Run a script over all keys, so many at a time that nobody waits for long. step: beside their range."""
    for start in range(0, keys, BATCH):
        words = f"{start} {min(start + BATCH, keys) - 1} {step or ''}"
        master.check_output(f'xteam-redis {ROLE} EVAL "{script}" 0 {words}')


def _count(master: CheckedHost) -> int:
    return int(master.check_output(f"xteam-redis {ROLE} DBSIZE").split()[-1])


def _follow(bench: Bench, host: CheckedHost) -> None:
    bench.wait(lambda: all_follow(host, bench.hosts, bench.estate, [ROLE]), PATIENCE)


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return round(time.monotonic() - started, 1)


def summary(runs: list[dict[str, Any]]) -> str:
    """The runs as a Markdown table; seconds."""
    columns = ("keys", "in_the_role", "take", "copy", "prove", "restore_1", "keys_back_1", "restore_2", "keys_back_2")
    return table([name.replace("_", " ") for name in columns], [[run.get(one, "") for one in columns] for run in runs])
