"""Celery under watch: every worker is proved to take tasks, and one that takes none is restarted."""

import pytest

from xteam_infra.layers.celery.needs import LIVENESS_TIMER, METRICS_TIMER, takes_tasks, worker_unit

pytestmark = [pytest.mark.group("worker"), pytest.mark.serial("celery")]


def test_every_worker_answers_its_worker_probe(host, estate):
    """And takes tasks from each of its queues, as it says in it."""
    for name in estate.celery.celery_workers:
        said = host.run(takes_tasks(estate.celery, name), timeout=120)
        assert said.rc == 0, f"worker {name} of {host.name}: {said.stdout}{said.stderr}"


@pytest.mark.item("INF-01")
def test_liveness_timers_are_enabled(host):
    """Timers of the workers' health and of the metrics."""
    for timer in (LIVENESS_TIMER, METRICS_TIMER):
        assert host.service(timer).is_enabled and host.service(timer).is_running, f"{timer} does not run"


@pytest.mark.group("worker", first=True)
def test_worker_that_left_its_queue_is_restarted(host, estate, eventually):
    """It is active and answers pings, and takes nothing from the queue: the watch sees that, and ends it."""
    name, worker = next(iter(estate.celery.celery_workers.items()))
    unit, node, queue = worker_unit(name), f"{name}@{host.name}", worker.queues[0]
    control = f"xteam-run -m celery --quiet --app {estate.celery.celery_app} control --timeout 15 --destination {node}"
    pid = f"systemctl show --property MainPID --value {unit}"
    # Its timer counts from here: it does not mend the worker before this check has looked.
    host.run("systemctl start xteam-liveness.service", timeout=200)
    before = host.check_output(pid)
    host.check_output(f"{control} cancel_consumer {queue}")
    try:
        asked = host.run(takes_tasks(estate.celery, name), timeout=120)
        assert f"takes no tasks from {queue}" in asked.stdout, f"nobody sees that: {asked.stdout}{asked.stderr}"
        assert host.run("systemctl start xteam-liveness.service", timeout=200).rc == 0, "the watch failed"
        # Running tasks end first: those of other checks, too.
        ends = estate.celery.celery_task_time_limit_seconds
        eventually(lambda: host.run(pid).stdout.strip() not in (before.strip(), "0"), seconds=ends, interval=0.5)
        eventually(lambda: host.run(takes_tasks(estate.celery, name), timeout=120).rc == 0, seconds=180, interval=0.5)
    finally:
        host.run(f"{control} add_consumer {queue}")
