"""Drills on Celery: 5,000 tasks while workers are killed and restarted and the queue's Redis changes hands.

Lost, run twice and pauses are kept as figures; what must hold is that none is lost, and that Beat is taken over from.
"""

# ruff: noqa: S608 - the names in these statements are the drill's own

import time
from itertools import pairwise
from uuid import uuid4

import pytest

from checklist.run import not_applicable
from tests.drills.harness.controller import Deploys
from tests.drills.harness.redis import all_follow, master_of
from tests.drills.harness.tasks import TABLE, Load, Workers
from xteam_infra.layers.celery.needs import BEAT_UNIT, takes_tasks, worker_unit

pytestmark = pytest.mark.group("worker", first=True)
TASKS = 5000
BEFORE = TASKS // 5
# Of the drill's deploy: a dead worker's tasks come back soon.
LIMITS = {
    "celery_task_soft_time_limit_seconds": 20,
    "celery_task_time_limit_seconds": 30,
    "celery_visibility_timeout_seconds": 90,
}
# Nothing more comes when nothing has come for so long: visibility, the sweep, a retry, and much room.
SETTLED_SECONDS = 180


@pytest.fixture(scope="module")
def workers(pytestconfig, hosts, estate):
    """The workers with short limits and the drill's task; afterwards as they were."""
    deploys = Deploys(pytestconfig.getoption("inventory"))
    deploys.good("celery", **LIMITS)
    found = Workers(hosts, estate)
    yield found
    found.remove()
    deploys.good("celery")


@pytest.fixture
def load(workers, eventually):
    """All tasks on their way, and a fifth of them done."""
    found = Load(workers, TASKS)
    eventually(lambda: found.done() >= BEFORE, seconds=300, interval=0.5)
    return found


def none_lost(load, eventually, figures):
    load.result(eventually, figures, SETTLED_SECONDS)
    assert figures["lost"] == 0, f"tasks were lost: {figures}"
    assert figures["results_missing"] == 0, f"results were lost: {figures}"


@pytest.mark.item("CEL-01", "CEL-04")
def test_killed_celery_workers_lose_no_task(host, hosts, estate, load, faults, figures, eventually):
    """kill -9 of all workers of one host, main processes and children, three times."""
    for _ in range(3):
        for name in estate.celery.celery_workers:
            faults.crash(host.name, worker_unit(name))
        before = load.done()
        eventually(lambda before=before: load.done() > before + 100, seconds=120, interval=0.5)
    none_lost(load, eventually, figures)


@pytest.mark.item("CEL-01", "CEL-04")
def test_restarted_celery_workers_lose_no_task(workers, load, figures, eventually):
    """Every worker of every host, one after the other, as a deploy does."""
    started = time.monotonic()
    for host in workers.hosts:
        workers.restart(host)
    figures["restarts_seconds"] = round(time.monotonic() - started, 1)
    none_lost(load, eventually, figures)


@pytest.fixture
def queue_master(hosts, estate, eventually):
    """The machine that leads the queue, when there are others to take over and all follow."""
    members = hosts.group("redis")
    if len(members) == 1:
        not_applicable("one Redis host: nobody to fail over to")
    eventually(lambda: all_follow(members[0], hosts, estate, ["queue"]), seconds=180, interval=1)
    return master_of(members[0], hosts, "queue")


@pytest.mark.item("CEL-04", "RED-05")
def test_planned_failover_of_queue_loses_no_task(queue_master, load, figures, eventually):
    """As before maintenance. Nobody's sending is refused, either."""
    queue_master.check_output("xteam-redis-handover queue")
    none_lost(load, eventually, figures)
    assert figures["refused"] == 0, f"senders were refused: {figures}"


@pytest.mark.item("CEL-04", "RED-05")
def test_power_loss_of_the_queue_loses_no_task(hosts, estate, queue_master, load, faults, figures, eventually):
    """The host of the queue's master loses its power under full load."""
    faults.kill(queue_master.name)
    before = load.done()
    eventually(lambda: load.done() > before + 100, seconds=180, interval=0.5)
    faults.start(queue_master.name)
    none_lost(load, eventually, figures)
    eventually(lambda: all_follow(queue_master, hosts, estate, ["queue"]), seconds=180, interval=1)


# --- Beat

PERIOD = 5
ENTRY = """
from celery.app.utils import find_app
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from xteam_runtime import settings
app = find_app(settings.read()["app"])
entry = RedBeatSchedulerEntry(
    "xteam-drill", "xteam_drill.counted", schedule(PERIOD), args=[RUN, 0], options={"queue": "default"}, app=app
)
entry.delete() if REMOVE else entry.save()
"""


@pytest.fixture
def ticks(workers):
    """Have a task sent every PERIOD seconds; returns the moments at which it has run."""
    run = uuid4().hex[:8]
    words = f"PERIOD, RUN = {PERIOD}, {run!r}"

    def entry(remove):
        said = workers.hosts[0].run_with_stdin("xteam-run -", f"REMOVE = {remove}; {words}\n{ENTRY}")
        assert said.rc == 0, said.stderr[-1000:]

    entry(remove=False)
    query = f"SELECT extract(epoch FROM at) FROM {TABLE} WHERE run = '{run}' ORDER BY at"
    yield lambda: [float(at) for at in workers.sql(query).split()]
    entry(remove=True)


@pytest.mark.item("CEL-03", "POST-07")
def test_killed_beat_leader_is_replaced(hosts, estate, ticks, faults, figures, eventually):
    """kill -9 of the one that leads, which stays dead: another goes on, and sends nothing twice."""
    if len(hosts.group("worker")) == 1:
        not_applicable("one worker host: nobody to take over")
    leader, *others = hosts.group("worker")
    for one in others:
        faults.stop(one.name, BEAT_UNIT)
    alone = time.time()
    lock = estate.celery.celery_beat_lock_seconds
    eventually(lambda: sum(at > alone + lock + PERIOD for at in ticks()) >= 3, seconds=120, interval=1)
    for one in others:
        faults.start_unit(one.name, BEAT_UNIT)
    running = len(ticks())
    eventually(lambda: len(ticks()) >= running + 4, seconds=90, interval=1)
    killed = time.time()
    faults.crash(leader.name, BEAT_UNIT)
    faults.stop(leader.name, BEAT_UNIT)
    eventually(lambda: sum(at > killed + PERIOD for at in ticks()) >= 4, seconds=120, interval=1)
    seen = [at for at in ticks() if at > killed - 3 * PERIOD]
    gaps = [later - sooner for sooner, later in pairwise(seen)]
    figures["seconds_without_beat"] = round(max(gaps), 1)
    figures["missed_ticks"] = max(0, round((seen[-1] - seen[0]) / PERIOD) + 1 - len(seen))
    figures["doubled_ticks"] = sum(gap < PERIOD / 2 for gap in gaps)
    assert figures["doubled_ticks"] == 0, f"ticks ran twice: {[round(gap, 1) for gap in gaps]}"


# --- The runbook


def test_hanging_worker_is_restarted_by_worker_probe(host, estate, runbook, faults, figures, eventually):
    """Its main process stands still: active for systemd. The runbook finds and mends it; then the watch does."""
    book = runbook("celery")
    name, worker = next(iter(estate.celery.celery_workers.items()))
    unit, specification = worker_unit(name), f"{name}={','.join(worker.queues)}"
    pid = f"systemctl show --property MainPID --value {unit}"
    proved = f"until {takes_tasks(estate.celery, name)}; do sleep 0.3; done"
    assert "xteam_celery_workers_alive" in book.run("figures", host)
    faults.hold(host.name, int(host.check_output(pid)))
    said = book.run("prove", host, succeeds=False, SPECIFICATION=specification)
    assert "does not run a task that was sent to it alone" in said, said
    book.run("restart", host, NAME=name)
    host.check_output(proved)
    book.run("beat", host)

    before = int(host.check_output(pid))
    faults.hold(host.name, before)
    began = time.monotonic()
    host.check_output("systemctl start xteam-liveness.service")
    eventually(lambda: int(host.run(pid).stdout) not in (0, before), seconds=400, interval=1)
    host.check_output(proved)
    figures["seconds_from_look_to_work"] = round(time.monotonic() - began, 1)
