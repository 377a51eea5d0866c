"""All hosts lose their power together, while people, workers and clients of the databases are at work.

They come back in one order or another; nobody runs anything. What was acknowledged must be there, and every task end.
"""

import time
from itertools import chain

import pytest

from checklist.run import not_applicable
from tests.drills.harness.cluster import Cluster
from tests.drills.harness.controller import Deploys
from tests.drills.harness.people import People
from tests.drills.harness.redis import all_follow
from tests.drills.harness.tasks import Load, Workers
from tests.drills.harness.writers import COLUMNS, Writer, postgres_orders, redis_orders

pytestmark = pytest.mark.group("edge", first=True)
TABLE, KEY = "public.xteam_drill_power", "xteam-drill-power"
ROLES = ("queue", "sessions", "blacklist")
# Of the drill's workers: what they had in hand when they died is delivered again soon.
LIMITS = {
    "celery_task_soft_time_limit_seconds": 20,
    "celery_task_time_limit_seconds": 30,
    "celery_visibility_timeout_seconds": 90,
}
PATIENCE = 900
SETTLED_SECONDS = 240
TASKS = 100_000  # more than are sent before the power goes
WORK_SECONDS = 20
BETWEEN_SECONDS = 5
DATA, FRONT = ("postgres", "etcd", "redis"), ("app", "worker", "edge")
ORDERS = {
    "all at once": (),
    "databases first, Redis last": ("etcd", "postgres", "app", "worker", "edge", "redis"),
    "Redis first, databases last": ("redis", "edge", "worker", "app", "postgres", "etcd"),
    "the last host of the inventory first": None,
}


def stages(hosts, order):
    """Names of the hosts that get their power back together, in turn. order: groups; (): all at once; None: reverse."""
    names = [one.name for one in hosts]
    if order is None:
        return [[name] for name in reversed(names)]
    found, left = [], dict.fromkeys(names)
    for group in order:
        now = [one.name for one in hosts.group(group) if one.name in left]
        found += [now] if now else []
        left = {name: None for name in left if name not in now}
    return [*found, list(left)] if left else found


@pytest.fixture(scope="module")
def workers(pytestconfig, hosts, estate):
    """The workers with short limits and the drill's task; afterwards as they were."""
    if not all(hosts.group(group) for group in (*DATA, *FRONT)):
        not_applicable("this inventory has no edge, application, workers, PostgreSQL or Redis")
    deploys = Deploys(pytestconfig.getoption("inventory"))
    deploys.good("celery", **LIMITS)
    found = Workers(hosts, estate)
    yield found
    found.remove()
    deploys.good("celery")


@pytest.fixture
def work(hosts, estate, secret, workers, write, eventually):
    """Everybody at work: people, workers with their tasks, and clients of PostgreSQL and of each Redis role."""
    cluster = Cluster(hosts, estate)
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    eventually(lambda: all_follow(hosts.group("redis")[0], hosts, estate), seconds=180, interval=1)
    people = People(hosts.group("edge")[0], hosts.group("app")[0], estate, SETTLED_SECONDS)
    try:
        with cluster.table(TABLE, COLUMNS):
            client = hosts.group("app")[-1]
            writers = {"postgres": write(client, postgres_orders(estate, secret, TABLE), "postgres")}
            for role in ROLES:
                orders = redis_orders(estate, secret, role, KEY) | {"pause": 0.05}
                writers[f"redis_{role}"] = write(client, orders, role)
            yield people, Load(workers, TASKS), writers
            eventually(cluster.whole, seconds=PATIENCE, interval=1)
    finally:
        people.remove()


@pytest.mark.item("RED-01", "TST-06")
@pytest.mark.parametrize("order", ORDERS)
def test_power_loss_of_all_hosts_loses_no_acknowledged_write(hosts, estate, work, faults, figures, eventually, order):
    """Users are served again by themselves, and nothing that was acknowledged to anybody is lost."""
    people, load, writers = work
    names = [one.name for one in hosts]
    eventually(lambda: people.acknowledged() > 30 and load.done() > 30, seconds=180, interval=1)
    time.sleep(WORK_SECONDS)
    faults.kill(*names)
    began = time.monotonic()
    for stage in stages(hosts, ORDERS[order]):
        faults.start(*stage)
        time.sleep(0 if ORDERS[order] == () else BETWEEN_SECONDS)
    figures["seconds_until_all_have_power"] = round(time.monotonic() - began, 1)
    eventually(people.served, seconds=PATIENCE, interval=1)
    figures["seconds_until_served"] = round(time.monotonic() - began, 1)
    lost = people.look(figures, PATIENCE)
    lost += chain.from_iterable(_kept(name, one, figures, eventually) for name, one in writers.items())
    load.end(eventually, figures, SETTLED_SECONDS)
    figures["seconds_until_all_tasks_ended"] = round(time.monotonic() - began, 1)
    lost += [f"drill's tasks: {figures[what]} {what}" for what in ("lost", "results_missing") if figures[what]]
    assert not lost, f"{len(lost)} of what was acknowledged: {'; '.join(lost[:10])}; {figures}"


def _kept(name: str, writer: Writer, figures, eventually) -> list[str]:
    """What a client of a database has lost. It has lost its own host, too."""
    writer.run()
    result = writer.result(eventually)
    figures[f"{name}_acknowledged"], figures[f"{name}_lost"] = result.acknowledged, result.lost
    return [f"{name}: {result.lost} of {result.acknowledged}"] if result.lost else []
