"""Celery's figures: what waits, who works, and what Beat does, as Prometheus' node exporter reads it."""

import re
from uuid import uuid4

import pytest
from xteam_client import run_python

from xteam_infra.layers.celery.needs import METRICS

pytestmark = [pytest.mark.group("worker"), pytest.mark.serial("celery")]

# What rules/celery.yml is made of.
FIGURES = (
    "beat_last_tick_timestamp_seconds",
    "beat_lock_held",
    "beat_overdue_seconds",
    "broker_up",
    "dead_letter_newest_timestamp_seconds",
    "dead_letters",
    "metrics_timestamp_seconds",
    "queue_probe_timestamp_seconds",
    "queue_length",
    "queue_oldest_age_seconds",
    "unacked",
    "unacked_overdue_seconds",
    "worker_probe_timestamp_seconds",
    "workers_alive",
    "workers_wanted",
)


def value(text, name, **labels):
    """A figure's value; none when it is not told."""
    label = ",".join(f'{key}="{said}"' for key, said in labels.items())
    found = re.search(rf"^xteam_celery_{name}{re.escape(f'{{{label}}}' if label else '')} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def look(host):
    """The figures of now, as the node exporter reads them; the watch has looked before."""
    for unit in ("xteam-liveness.service", "xteam-celery-metrics.service"):
        done = host.run(f"systemctl start {unit}", timeout=200)
        assert done.rc == 0, f"{unit} failed: {done.stderr}"
    return host.check_output(f"runuser -u nobody -- cat {METRICS}")


@pytest.fixture
def figures(host):
    return look(host)


def test_celery_metrics_are_fresh(host, estate, eventually):
    """By the timer, before any check below has it done."""
    age = f"echo $(( $(date +%s) - $(stat -c %Y {METRICS}) ))"
    limit = 2 * estate.celery.celery_metrics_seconds
    eventually(lambda: int(host.run(age).stdout) <= limit, seconds=20, interval=1)


def test_celery_metrics_are_exported(host, estate, eventually):
    """All that the alerts are made of, and what they say of this host and of Beat; one may just connect anew."""
    workers = estate.celery.celery_workers

    def told():
        figures = look(host)
        missing = [name for name in FIGURES if f"\nxteam_celery_{name}" not in figures]
        assert not missing, f"not told: {', '.join(missing)}"
        assert value(figures, "broker_up") == 1 and value(figures, "beat_lock_held") == 1, figures
        assert value(figures, "workers_alive") == value(figures, "workers_wanted") == len(workers), figures
        now = float(host.check_output("date +%s"))
        assert now - value(figures, "metrics_timestamp_seconds") < 60, "the figures are not of now"
        return True

    eventually(told, seconds=60, interval=2)


def test_workers_run_their_probes(host, estate, eventually):
    """A moment after the watch has looked. One that is busy with all its processes is let be: then it looks again."""

    def ran():
        told, now = look(host), float(host.check_output("date +%s"))
        for name in estate.celery.celery_workers:
            age = now - (value(told, "worker_probe_timestamp_seconds", worker=name) or 0)
            assert age < 60, f"worker {name} ran its probe {age:.0f} s ago; the watch has just looked"
        return True

    eventually(ran, seconds=180, interval=2)


@pytest.mark.group("worker", first=True)
def test_every_queue_runs_probes(host, estate, figures, eventually):
    """One was sent to each a moment ago, and a worker of some host has run it."""
    since = float(host.check_output("date +%s")) - estate.celery.celery_liveness_seconds - 60
    queues = sorted(set().union(*(worker.queues for worker in estate.celery.celery_workers.values())))

    def ran():
        told = host.check_output(f"/usr/local/sbin/xteam-celery-metrics; cat {METRICS}")
        ages = {queue: value(told, "queue_probe_timestamp_seconds", queue=queue) for queue in queues}
        assert all(when and when > since for when in ages.values()), f"probes of the queues ran at {ages}"
        return True

    eventually(ran, seconds=60, interval=2)


WAITING = """
import json
from celery.app.utils import find_app
from kombu import Exchange, Queue
from xteam_runtime import broker, settings
app = find_app(settings.read()["app"])
queue = Queue(NAME, Exchange(NAME), routing_key=NAME)
if DROP:
    with broker.redis(app) as client:
        client.delete(NAME, "_kombu.binding." + NAME)
else:
    for _ in range(3):
        app.send_task("xteam.ok", ["check"], queue=queue)
print(json.dumps({}))
"""


@pytest.mark.group("worker", first=True)
def test_waiting_tasks_are_counted(host, eventually):
    """In a queue that nobody serves: how many, and for how long the oldest has waited."""
    queue = f"check-{uuid4().hex[:8]}"
    tell = f"xteam-run -m xteam_runtime.metrics --alive-seconds 60 check={queue}"
    assert value(host.check_output(tell), "queue_length", queue=queue) == 0
    run_python(host, f"NAME, DROP = {queue!r}, False\n{WAITING}")
    try:
        first = host.check_output(tell)
        assert value(first, "queue_length", queue=queue) == 3, f"three tasks wait: {first}"
        age = value(first, "queue_oldest_age_seconds", queue=queue)
        assert 0 < age < 60, f"sent a moment ago, they have waited for {age} s"
        later = value(host.check_output(tell), "queue_oldest_age_seconds", queue=queue)
        assert later > age, f"after {age} s they have waited for {later} s"
    finally:
        run_python(host, f"NAME, DROP = {queue!r}, True\n{WAITING}")


@pytest.mark.group("worker", first=True)
def test_dead_letters_are_counted(host, eventually):
    """As many as are listed."""
    listed = "xteam-deadletters list --json | wc -l"

    def same():
        before, told = (
            host.run(listed).stdout,
            host.check_output(f"/usr/local/sbin/xteam-celery-metrics; cat {METRICS}"),
        )
        return int(before) == value(told, "dead_letters") or int(host.run(listed).stdout) == value(told, "dead_letters")

    eventually(same, seconds=20, interval=1)
