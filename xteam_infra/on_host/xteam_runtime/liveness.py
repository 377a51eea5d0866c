"""Whether this host's workers take tasks: python -m xteam_runtime.liveness NAME=QUEUE,QUEUE ...

Each is sent a probe that it alone can run (worker_probe.py). Prints the names of those that did not run it, or that no
longer take tasks from one of their queues, with the reason, one a line. A worker whose processes are all at work is
none of them. Ends with 0 when there is none, with 1 when there are some, with 3 when the broker can't be reached:
nothing is known then, and a restart would not help.
"""

import argparse
import json
import socket
import sys
import time
from typing import Any

from celery import Celery
from celery.app.utils import find_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from xteam_runtime import broker, settings, worker_probe

# Seconds to wait for a probe: the first time, and once more for those that did not run it.
PATIENCE = (10, 20)
# A probe in a queue that waits for longer is dropped: its age then says how long the queue is.
QUEUED_SECONDS = 300
FINE, SILENT, UNKNOWN = 0, 1, 3


def silent(app: Celery, workers: dict[str, list[str]]) -> dict[str, str]:
    """{name: why it should be restarted}. Raises what the broker's client raises when the broker is away."""
    nodes = {name: f"{name}@{socket.gethostname()}" for name in workers}
    consumed: dict[str, list[str]] = {}
    for seconds in PATIENCE:
        asked = {name: node for name, node in nodes.items() if name not in consumed}
        consumed |= _answers(app, asked, seconds)
    found = {}
    for name, queues in workers.items():
        if name not in consumed:
            if not _busy(app, nodes[name]):
                found[name] = "does not run a task that was sent to it alone"
        elif missing := set(queues) - set(consumed[name]):
            found[name] = f"takes no tasks from {', '.join(sorted(missing))}"
    return found


def _answers(app: Celery, nodes: dict[str, str], seconds: float) -> dict[str, list[str]]:
    """{name: the queues it consumes} of those that have run their probe within so many seconds."""
    found: dict[str, list[str]] = {}
    with broker.redis(app) as client:
        if nodes:
            # What was not run before, by a worker that was stopped for example, says nothing any more.
            client.delete(*map(worker_probe.own_queue, nodes.values()))
        waiting = {
            worker_probe.send(app, worker_probe.own_queue(node), seconds, answered=True): name
            for name, node in nodes.items()
        }
        deadline = time.monotonic() + seconds
        while waiting and (left := deadline - time.monotonic()) > 0:
            # In short steps: the connection's own timeout would end a long one.
            if said := client.blpop(list(waiting), timeout=min(max(left, 0.1), 5)):
                found[waiting.pop(said[0].decode())] = json.loads(said[1])
    return found


def _busy(app: Celery, node: str) -> bool:
    """Whether all processes of a worker are at work: it may take nothing more, and its time limits end what hangs."""
    look = app.control.inspect(destination=[node], timeout=10)
    stats: dict[str, Any] = (look.stats() or {}).get(node) or {}
    processes = len(stats.get("pool", {}).get("processes", ()))
    return len((look.active() or {}).get(node, ())) >= processes > 0


def specification(text: str) -> tuple[str, list[str]]:
    """NAME=QUEUE,QUEUE"""
    name, _, queues = text.partition("=")
    return name, [queue for queue in queues.split(",") if queue]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m xteam_runtime.liveness", description=__doc__)
    parser.add_argument("workers", nargs="+", type=specification, metavar="NAME=QUEUE,QUEUE", help="of this host")
    parser.add_argument("--queues", action="store_true", help="send one to every queue, too: probes' age shows waiting")
    options = parser.parse_args()
    workers: dict[str, Any] = dict(options.workers)
    app = find_app(settings.read()["app"])
    try:
        found = silent(app, workers)
        if options.queues:
            for queue in sorted(set().union(*workers.values())):
                worker_probe.send(app, queue, QUEUED_SECONDS)
    except (OperationalError, RedisError, OSError) as error:
        print(f"the broker can't be reached, nothing is known: {error}", file=sys.stderr)
        return UNKNOWN
    for name, why in found.items():
        print(name, why)
    return SILENT if found else FINE


if __name__ == "__main__":
    sys.exit(main())
