"""Celery's pools: processes come while tasks wait, and go."""

import pytest
from xteam_client import run_python

from checklist.run import not_applicable

pytestmark = [pytest.mark.group("worker"), pytest.mark.serial("celery")]

# Looks without pause, on the host: a new process for each look would miss pools that stay for seconds.
WATCH = """
import json, time
from celery.app.utils import find_app
from xteam_runtime import broker, settings
app = find_app(settings.read()["app"])

def processes():
    stats = app.control.inspect(destination=list(LEAST), timeout=10).stats() or {}
    return {node: len(one["pool"]["processes"]) for node, one in stats.items()}

def feed():
    for queue in QUEUES:
        with broker.channel(app) as channel:
            missing = COUNT - channel._size(queue)
        for _ in range(missing):
            app.send_task("xteam.slow", [1.5], queue=queue)

seen, shrunk, grown = {node: set() for node in LEAST}, set(), False
until = time.monotonic() + SECONDS
while time.monotonic() < until:
    if not grown:
        feed()
    found = processes()
    for node, count in found.items():
        seen[node].add(count)
        # Each for itself: other tasks come meanwhile.
        if MOST[node] in seen[node] and count == LEAST[node]:
            shrunk.add(node)
    grown = grown or all(MOST[node] in counts for node, counts in seen.items())
    wrong = any(not LEAST[node] <= count <= MOST[node] for node, count in found.items())
    if wrong or len(shrunk) == len(LEAST):
        break
    time.sleep(0.3)
seen = {node: sorted(counts) for node, counts in seen.items()}
print(json.dumps({"seen": seen, "shrunk": sorted(shrunk), "last": found}))
"""


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-02")
def test_pools_grow_with_the_queue_and_shrink_again(host, hosts, estate):
    """Within their bounds."""
    workers = estate.celery.celery_workers
    scaled = {name: one for name, one in workers.items() if one.least < one.concurrency}
    if not scaled:
        not_applicable("no worker has a min_concurrency below its concurrency")
    machines = hosts.group("worker")
    nodes = {f"{name}@{machine.name}": one for name, one in scaled.items() for machine in machines}
    least = {node: one.least for node, one in nodes.items()}
    most = {node: one.concurrency for node, one in nodes.items()}
    queues = sorted({one.queues[0] for one in scaled.values()})
    # So many wait until all have grown: a worker may just be connecting anew. A task takes 1.5 s; at the end that is
    # three seconds' work.
    count = 2 * sum(one.concurrency for one in workers.values()) * len(machines)
    seconds = 2 * estate.celery.celery_autoscale_seconds + 60
    words = f"LEAST, MOST, QUEUES, COUNT, SECONDS = {least!r}, {most!r}, {queues!r}, {count}, {seconds}"
    said = run_python(host, f"{words}\n{WATCH}", timeout=seconds + 60)
    for node, counts in said["seen"].items():
        bounds = f"{least[node]} to {most[node]}"
        assert counts and least[node] <= min(counts) and max(counts) == most[node], f"{node}: {counts}, not {bounds}"
    assert said["shrunk"] == sorted(least), f"while nothing waits: {said['last']} processes, not {least}"
