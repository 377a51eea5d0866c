"""python3 -m on_host ORDERS.json

The ledger (`number seconds` a line) and the failures (`seconds what was said`) grow beside the orders while it writes.
When the file `stop` appears beside them, or the ordered seconds are over, it looks each acknowledged number up and
prints the result as JSON. Started again, after a power loss of its own host, it only looks up.
"""

import itertools
import json
import sys
import time
from pathlib import Path

from .postgres import PostgresWriter
from .redis import RedisWriter
from .writer import Writer

# After the last write: how long the service may take to answer again, so that the numbers can be looked up.
RECOVERY = 120.0

KINDS = {"postgres": PostgresWriter, "redis": RedisWriter}


def write(writer: Writer, orders: dict, directory: Path) -> tuple[list[int], list[float], list[str]]:
    """Write until told to stop: acknowledged numbers, the moment of each, what the failures said."""
    acknowledged: list[int] = []
    moments: list[float] = []
    said: list[str] = []
    connected = False
    end = time.monotonic() + orders["seconds"]
    with (directory / "ledger").open("w", 1) as ledger, (directory / "failures").open("w", 1) as log:
        for number in itertools.count():
            if time.monotonic() > end or (directory / "stop").exists():
                break
            try:
                if not connected:
                    writer.connect()
                connected = True
                writer.write(number)
            except writer.failures as error:
                said.append(f"{type(error).__name__}: {error}".strip().replace("\n", " "))
                log.write(f"{time.time():.3f} {said[-1]}\n")
                connected = False
                writer.close()
                time.sleep(0.05)
                continue
            moments.append(time.monotonic())
            acknowledged.append(number)
            ledger.write(f"{number} {time.time():.3f}\n")
            time.sleep(orders["pause"])
    return acknowledged, moments, said


def look_up(writer: Writer) -> set[int]:
    """All numbers that are there, once the service answers."""
    deadline = time.monotonic() + RECOVERY
    while True:
        try:
            writer.close()
            writer.connect()
            kept = writer.kept()
            writer.clear()
            return kept
        except writer.failures:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def read(directory: Path) -> tuple[list[int], list[float], list[str]]:
    """As `write`, of what has been written before."""
    lines = [line.split() for line in (directory / "ledger").read_text().splitlines()]
    said = [line.split(" ", 1)[1] for line in (directory / "failures").read_text().splitlines()]
    return [int(number) for number, _ in lines], [float(moment) for _, moment in lines], said


def ways(writer: Writer, acknowledged: list[int], kept: set[int]) -> dict[str, list[int]]:
    """{way of writing: [acknowledged, lost]}"""
    found: dict[str, list[int]] = {}
    for number in acknowledged:
        counts = found.setdefault(writer.way(number), [0, 0])
        counts[0] += 1
        counts[1] += number not in kept
    return found


def main() -> None:
    path = Path(sys.argv[1])
    orders = json.loads(path.read_text())
    writer = KINDS[orders["kind"]](orders)
    again = (path.parent / "ledger").exists()
    acknowledged, moments, said = read(path.parent) if again else write(writer, orders, path.parent)
    kept = look_up(writer)
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    result = {
        "acknowledged": len(acknowledged),
        "lost": sum(number not in kept for number in acknowledged),
        "unacknowledged_kept": len(kept - set(acknowledged)),
        "errors": len(said),
        "outage_seconds": round(max(gaps, default=0.0), 2),
        "ways": ways(writer, acknowledged, kept),
        "said": list(dict.fromkeys(said))[:5],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
