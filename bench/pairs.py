"""Paired runs: the same load on two things in turn, so that what else the machine does falls on both alike.

Only the ratio of neighbours means anything on a machine that others use. Who goes first alternates.
"""

import json
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path("build/bench")


class PairError(Exception):
    """A load could not be run."""


def paired(name: str, left: Callable[[], float], right: Callable[[], float], pairs: int) -> dict[str, Any]:
    """The runs of one load. left, right: one run each; transactions a second. Says each pair as it comes."""
    found = []
    for number in range(pairs):
        if number % 2:
            second, first = right(), left()
        else:
            first, second = left(), right()
        found.append((round(first, 1), round(second, 1)))
        print(
            f"{name}, {number + 1} of {pairs}: {first:.0f} / {second:.0f} tps, ratio {first / second:.2f}", flush=True
        )
    return {"load": name, "at": round(time.time()), "machine_load": round(os.getloadavg()[0], 1), "pairs": found}


def keep(name: str, measured: dict[str, Any]) -> None:
    """Write what one command measured to build/bench/NAME.json, in place of what was there."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(measured, indent=1) + "\n")
    new.replace(path)
    print(f"kept in {path}")


def table(title: str, runs: list[dict[str, Any]]) -> str:
    """The runs as a Markdown table. title: what is divided by what."""
    lines = [f"| load | pairs | tps, {title} (medians) | ratio: median | least | most |", "|---|---|---|---|---|---|"]
    for run in runs:
        ratios = [first / second for first, second in run["pairs"]]
        first, second = (statistics.median(one) for one in zip(*run["pairs"], strict=True))
        numbers = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f}"
        lines.append(f"| {run['load']} | {len(ratios)} | {first:.0f} / {second:.0f} | {numbers} |")
    return "\n".join(lines)


def transactions(said: str) -> float:
    """Transactions a second that pgbench reports. Raises PairError when it reports none, or that clients failed."""
    match = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
    if not match or "aborted" in said:
        raise PairError(f"pgbench did not come through:\n{said[-1500:]}")
    return float(match[1])
