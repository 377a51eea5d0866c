"""Celery: the workers as they answer, and what becomes of tasks that are slow, fail, or fail for a while."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from units import check_limits, processes_of
from xteam_client import run_python

from xteam_infra.layers.celery.needs import BEAT_UNIT, worker_unit

pytestmark = [pytest.mark.group("worker"), pytest.mark.serial("celery")]

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def mark():
    """Marks the tasks of this run."""
    return f"check-{uuid4().hex}"


@pytest.fixture(scope="module")
def probe(hosts, estate, mark):
    """What celery_probe.py found. Its dead letters are dropped at the end."""
    host = hosts.group("worker")[0]
    script = (HERE / "celery_probe.py").read_text()
    words = f"MARK, NODES = {mark!r}, {list(nodes(hosts, estate))!r}"
    found = run_python(host, f"{words}\n{script}", timeout=180)
    found["replayed"] = []
    yield found
    ids = [task["id"] for task in found["tasks"].values()] + found["elsewhere"] + found["replayed"]
    kept = {one["id"] for one in dead_letters(host)}
    host.run(f"xteam-deadletters drop {' '.join(kept.intersection(ids))}")


def dead_letters(host):
    return [json.loads(line) for line in host.check_output("xteam-deadletters list --json").splitlines()]


def nodes(hosts, estate):
    """{node: its settings} of every worker there must be."""
    workers = estate.celery.celery_workers
    return {f"{name}@{host.name}": worker for host in hosts.group("worker") for name, worker in workers.items()}


# --- Workers


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-01")
def test_every_worker_of_every_host_answers(host, hosts, estate, probe):
    """There are several, and none that nobody knows of."""
    wanted = nodes(hosts, estate)
    assert len(wanted) >= 2, "one worker alone: nothing works while it restarts"
    answered = probe["ping"] or {}
    assert set(answered) == set(wanted), f"answered by {sorted(answered)}, wanted {sorted(wanted)}"


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-01")
def test_every_queue_has_its_workers(host, hosts, estate, probe):
    """As the workers themselves say; and no queue of the application is without one."""
    served = {node: {queue["name"] for queue in queues} for node, queues in (probe["queues"] or {}).items()}
    for node, worker in nodes(hosts, estate).items():
        wanted = {*worker.queues, f"probe.{node}"}
        assert served.get(node) == wanted, f"{node} serves {served.get(node)}, not {wanted}"
    unserved = set(probe["declared"]) - set().union(*served.values())
    assert not unserved, f"nobody serves {', '.join(sorted(unserved))}"


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-02", "PERF-06")
def test_concurrency_is_as_set(host, hosts, estate, probe):
    for node, worker in nodes(hosts, estate).items():
        found = (probe["stats"] or {}).get(node, {})
        bounds = (found.get("autoscaler", {}).get("min"), found.get("autoscaler", {}).get("max"))
        assert bounds == (worker.least, worker.concurrency), f"{node} has between {bounds} processes"
        now = len(found["pool"]["processes"])
        assert worker.least <= now <= worker.concurrency, f"{node} has {now} processes"


@pytest.mark.item("CEL-02", "PERF-06")
def test_concurrency_fits_the_cores(host, estate, eventually):
    """Tasks wait for others half of their time, it is assumed: so at most two processes a core.

    One that was killed with its task is replaced within a moment.
    """
    wanted = sum(worker.concurrency for worker in estate.celery.celery_workers.values())
    cores = int(host.check_output("nproc"))
    assert wanted <= 2 * cores, f"{wanted} worker processes on {cores} cores"

    def complete():
        for name, worker in estate.celery.celery_workers.items():
            children = len(processes_of(host, worker_unit(name))) - 1
            bounds = f"{worker.least} to {worker.concurrency}"
            assert worker.least <= children <= worker.concurrency, (
                f"worker {name} has {children} processes, not {bounds}"
            )
        return True

    eventually(complete, seconds=15)


@pytest.mark.item("INF-05")
def test_workers_run_within_their_limits(host, estate):
    settings = estate.celery
    for name in settings.celery_workers:
        limits = (settings.celery_worker_memory_mb, settings.celery_tasks_max, settings.celery_worker_cpu_percent)
        check_limits(host, worker_unit(name), *limits)
    check_limits(host, BEAT_UNIT, settings.celery_beat_memory_mb, 32, None)


# --- Delivery


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-01")
def test_a_task_runs(host, probe, mark):
    assert probe["tasks"]["ok"]["state"] == "SUCCESS", f"a task ends as {probe['tasks']['ok']}"
    assert probe["tasks"]["ok"]["result"] == mark


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-04")
def test_failing_task_is_retried(host, probe):
    """One that fails twice succeeds at the third try, after growing pauses; and there is a bound."""
    retried = probe["tasks"]["retried"]
    assert retried["state"] == "SUCCESS" and retried["result"] == 2, f"a task that fails twice ends as {retried}"
    # Pauses of 1 and 2 seconds.
    assert probe["retried_seconds"] >= 3, f"it was tried three times within {probe['retried_seconds']:.1f} s"
    assert 0 < probe["retries"] <= 100, f"a task is tried again {probe['retries']} times"


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-04")
def test_task_of_lost_worker_is_redelivered(host, hosts, estate, probe):
    """What the running workers do about tasks whose worker is lost or whose queue changes its master, and how often a
    failed send is repeated."""
    for node in nodes(hosts, estate):
        conf = (probe["conf"] or {}).get(node, {})
        lost = ("task_acks_late", "task_reject_on_worker_lost", "task_retry_on_worker_lost")
        for key in (*lost, "broker_channel_error_retry"):
            assert conf.get(key) is True, f"{node} runs with {key}={conf.get(key)}"
        policy = conf.get("task_publish_retry_policy", {})
        assert policy.get("max_retries") == estate.celery.celery_publish_retries, f"{node}: {policy}"
        options = conf.get("broker_transport_options", {})
        wanted = estate.celery.celery_visibility_timeout_seconds
        assert options.get("visibility_timeout") == wanted, f"{node}: {options}"
        assert not options.get("retry_on_timeout"), f"{node} would hang after an outage: retry_on_timeout is on"


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-05")
def test_task_over_time_limit_is_killed(host, hosts, estate, probe):
    """By the soft limit, by the hard one; and every worker runs with the limits that are set."""
    for sort, error in (("soft", "SoftTimeLimitExceeded"), ("hard", "TimeLimitExceeded")):
        task = probe["tasks"][sort]
        assert task["state"] == "FAILURE" and task["result"].startswith(error), f"a task over its {sort} limit: {task}"
    settings = estate.celery
    limits = (settings.celery_task_soft_time_limit_seconds, settings.celery_task_time_limit_seconds)
    for node in nodes(hosts, estate):
        conf = (probe["conf"] or {}).get(node, {})
        found = (conf.get("task_soft_time_limit"), conf.get("task_time_limit"))
        assert found == limits, f"{node} runs with the limits {found}, not {limits}"


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-07")
def test_failed_tasks_are_kept_and_can_be_replayed(host, probe, mark, eventually):
    """With their reason; also those the limits ended; and replayed, the task fails again, as a new one."""
    failed = {sort: probe["tasks"][sort]["id"] for sort in ("failing", "soft", "hard")}

    def all_kept():
        """The result of a task is known a moment before it is kept."""
        found = {one["id"]: one for one in dead_letters(host)}
        missing = [sort for sort, number in failed.items() if number not in found]
        assert not missing, f"not among the dead letters, though failed: {', '.join(missing)}"
        return found

    kept = eventually(all_kept, seconds=20, interval=1)
    failing = kept[failed["failing"]]
    assert mark in failing["error"] and "Traceback" in failing["traceback"], f"kept without its reason: {failing}"
    assert failing["args"] == [mark] and failing["queue"] == "default"
    assert probe["tasks"]["retried"]["id"] not in kept, "a task that succeeded in the end is among the dead letters"

    said = host.run(f"xteam-deadletters replay {failing['id']}")
    assert said.rc == 0 and "sent again as" in said.stdout, f"it can't be replayed: {said.stdout} {said.stderr}"
    new = said.stdout.split()[-1]
    probe["replayed"].append(new)

    def failed_again():
        ids = {one["id"] for one in dead_letters(host)}
        return new in ids and failing["id"] not in ids

    eventually(failed_again, seconds=30, interval=1)


# --- Beat


@pytest.mark.group("worker", first=True)
@pytest.mark.item("CEL-03", "POST-07")
def test_beat_sends_due_tasks(host, estate, eventually):
    """Every entry of the application is on Beat's schedule, and the last run is younger than twice its period."""

    def kept():
        found = run_python(host, (HERE / "celery_schedule.py").read_text())
        assert found["declared"], "the application has no schedule: nothing to prove"
        assert found["declared"] == sorted(found["entries"]), f"on the schedule are {sorted(found['entries'])}"
        assert found["lock_ms"] > 0, "nobody leads: Beat's lock is not held"
        assert found["lock_ms"] <= estate.celery.celery_beat_lock_seconds * 1000
        for name, entry in found["entries"].items():
            if entry["period"]:
                assert entry["age"] < 2 * entry["period"], f"{name} ran {entry['age']:.0f} s ago"
                assert entry["runs"] > 0, f"{name} has never run"
        return True

    # After a restart of Redis the first run may be a period away.
    eventually(kept, seconds=40, interval=5)


@pytest.mark.item("CEL-03")
def test_beat_runs_on_every_host(host, hosts):
    """One leads; the others wait for its lock."""
    assert host.service(BEAT_UNIT).is_running and host.service(BEAT_UNIT).is_enabled, f"no Beat on {host.name}"
