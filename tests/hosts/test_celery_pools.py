"""Celery's pools: processes come while tasks wait, and go."""

import pytest
from xteam_client import run_python

from checklist.run import not_applicable

pytestmark = [pytest.mark.group("worker"), pytest.mark.one_by_one("celery")]

LOAD = """
import json
from celery.app.utils import find_app
from xteam_operator import settings
app = find_app(settings.read()["app"])
for _ in range(COUNT):
    app.send_task("xteam.slow", [1.5], queue=QUEUE)
print(json.dumps({}))
"""
POOLS = """
import json
from celery.app.utils import find_app
from xteam_operator import settings
stats = find_app(settings.read()["app"]).control.inspect(destination=NODES, timeout=10).stats() or {}
print(json.dumps({node: len(one["pool"]["processes"]) for node, one in stats.items()}))
"""


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-02")
def test_pools_grow_with_the_queue_and_shrink_again(host, hosts, estate, eventually):
    """Within their bounds."""
    scaled = {name: one for name, one in estate.celery.celery_workers.items() if one.least < one.concurrency}
    if not scaled:
        not_applicable("no worker has a min_concurrency below its concurrency")
    machines = hosts.group("worker")
    nodes = {f"{name}@{machine.name}": one for name, one in scaled.items() for machine in machines}
    queues = {one.queues[0] for one in scaled.values()}
    # Enough for several looks while they are at work; the processes stay for celery_autoscale_seconds more.
    count = 8 * sum(one.concurrency for one in estate.celery.celery_workers.values()) * len(machines)
    for queue in queues:
        run_python(host, f"QUEUE, COUNT = {queue!r}, {count}\n{LOAD}")
    seen = {node: set() for node in nodes}

    def processes():
        found = run_python(host, f"NODES = {list(nodes)!r}\n{POOLS}")
        for node, count in found.items():
            seen[node].add(count)
        return found

    grown = {node: one.concurrency for node, one in nodes.items()}
    least = {node: one.least for node, one in nodes.items()}
    eventually(lambda: processes() and {node: max(seen[node], default=0) for node in nodes} == grown, seconds=60)
    eventually(lambda: processes() == least, seconds=2 * estate.celery.celery_autoscale_seconds + 90, interval=2)
    for node, one in nodes.items():
        assert seen[node] <= set(range(one.least, one.concurrency + 1)), f"{node} had {sorted(seen[node])} processes"
