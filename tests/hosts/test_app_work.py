"""What the application does for its users, and how it copes with what it depends on."""

import json
from collections import Counter
from uuid import uuid4

import pytest
from xteam_client import run_python

from xteam_infra.layers.app.needs import API_UNIT, CLEANUP_TIMER, WORKSPACES


@pytest.mark.group("app")
@pytest.mark.item("POST-01")
def test_application_reaches_every_dependency(api, estate):
    answer = api(estate.app.app_ready_path)
    assert answer.status == 200, f"{api.host.name} is not ready: {answer.text}"
    assert set(answer.json()["checks"].values()) <= {"ok"}, answer.text
    assert api(estate.app.app_live_path).status == 200


@pytest.mark.group("app")
@pytest.mark.item("DB-04", "POST-05")
def test_the_database_has_the_schema_of_the_code(host):
    said = host.run("xteam-migrate check")
    assert said.rc == 0, f"the database is not at the release's head: {said.stdout.strip()} {said.stderr.strip()}"


@pytest.mark.group("app", first=True)
@pytest.mark.item("DB-04")
def test_migration_lock_serialises_migrations(host):
    """Three at the same moment: one works (here: finds nothing to do), the others wait for its lock."""
    start = "xteam-migrate upgrade > /run/xteam-check.$i 2>&1 && echo good || cat /run/xteam-check.$i"
    said = host.run(
        f"for i in 1 2 3; do ( {start} ) & done; wait; rm -f /run/xteam-check.[123]", timeout=300
    ).stdout.split()
    assert said == ["good"] * 3, f"of three migrations at once: {' '.join(said)}"


@pytest.mark.group("app")
@pytest.mark.item("APP-06")
def test_uploads_are_limited(host, api, estate, token):
    """One at the limit is kept, one byte more is refused."""
    limit = estate.app.max_upload_size_mb * 1024 * 1024
    file = f"/run/xteam-check-upload-{host.name}"
    try:
        for size, wanted in ((limit, 201), (limit + 1, 413)):
            api.client.check_output(f"truncate -s {size} {file}")
            answer = api("/uploads?name=check", "POST", token, options=f"--data-binary @{file}")
            assert answer.status == wanted, f"an upload of {size} bytes gets {answer.status}, not {wanted}"
    finally:
        api.client.run(f"rm -f {file}")


@pytest.mark.group("app")
@pytest.mark.item("PERF-01")
def test_repeated_reads_are_served_from_cache(api, token):
    before = metric(api, "xteam_cache_requests_total")
    api("/workspaces", "POST", token, body={"name": "check"})
    seen = [api("/workspaces", token=token).headers.get("x-cache") for _ in range(2)]
    assert seen == ["miss", "hit"], f"two reads in a row: {seen}"
    after = metric(api, "xteam_cache_requests_total")
    gained = {result: after[result] - before[result] for result in ('result="hit"', 'result="miss"')}
    assert all(value >= 1 for value in gained.values()), f"the counters of the cache moved by {gained}"


def metric(api, name):
    """{labels: value} of a metric."""
    found = Counter()
    for line in api("/metrics").text.splitlines():
        if line.startswith(f"{name}{{"):
            labels, value = line.removeprefix(f"{name}{{").split("} ")
            found[labels] += float(value)
    return found


@pytest.mark.group("app", "worker")
@pytest.mark.item("APP-07")
def test_old_workspaces_are_removed(host, estate):
    """The timer is on, and its service removes what is older than the setting, and nothing else."""
    timer = host.service(CLEANUP_TIMER)
    assert timer.is_enabled and timer.is_running, f"{CLEANUP_TIMER} does not run"
    due = host.check_output(f"systemctl show --property NextElapseUSecRealtime --value {CLEANUP_TIMER}").strip()
    assert due, f"{CLEANUP_TIMER} has no next run"
    days = estate.app.WORKSPACE_MAX_AGE_DAYS
    top = f"{WORKSPACES}/0"
    make = f"install -d -o xteam -g xteam {top} {top}/check-old {top}/check-young"
    age = f"touch -d '{days + 1} days ago' {top}/check-old; touch -d '{days - 1} days ago' {top}/check-young"
    try:
        host.check_output(f"{make}; {age}")
        done = host.run("systemctl start xteam-cleanup.service")
        assert done.rc == 0, f"the clean-up failed: {done.stderr}"
        assert host.check_output(f"ls {top}").split() == ["check-young"]
    finally:
        host.run(f"rm -rf {top}")


UPSTREAM = """
import http.server, json, threading, time
from xteam.config import get_settings
from xteam.upstream import UpstreamError, call
times = []
class Stub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        times.append(time.monotonic())
        if self.path == "/slow":
            time.sleep(get_settings().UPSTREAM_TIMEOUT_SECONDS + 30)
        try:
            self.send_error(503)
        except OSError:
            pass
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
def ask(path, **changed):
    times.clear()
    url = "http://127.0.0.1:%d%s" % (server.server_port, path)
    started = time.monotonic()
    try:
        call(get_settings().model_copy(update={"UPSTREAM_URL": url, **changed}))
        said = {"error": None}
    except UpstreamError as error:
        said = {"error": str(error), "attempts": error.attempts}
    pauses = [round(after - before, 2) for before, after in zip(times, times[1:])]
    return {**said, "seconds": round(time.monotonic() - started, 2), "pauses": pauses, "seen": len(times)}
print(json.dumps({"slow": ask("/slow", UPSTREAM_MAX_RETRIES=0), "failing": ask("/failing")}))
"""


@pytest.fixture(scope="module")
def upstream(hosts):
    """The release's own client with the running settings, against a stub on the host that is slow, or fails."""
    return run_python(hosts.group("app")[0], UPSTREAM)


@pytest.mark.group("app", first=True)
@pytest.mark.item("APP-04")
def test_slow_upstream_times_out(host, estate, upstream):
    wanted = estate.app.UPSTREAM_TIMEOUT_SECONDS
    assert upstream["slow"]["error"] == "ReadTimeout", f"a silent upstream: {upstream['slow']}"
    assert wanted <= upstream["slow"]["seconds"] < wanted + 20, f"cut off after {upstream['slow']['seconds']} s"


@pytest.mark.group("app", first=True)
@pytest.mark.item("APP-05")
def test_failing_upstream_is_retried_with_backoff(host, estate, upstream):
    said = upstream["failing"]
    attempts = 1 + estate.app.UPSTREAM_MAX_RETRIES
    assert said["attempts"] == said["seen"] == attempts, f"{said['seen']} attempts, not {attempts}"
    # Of two pauses the second is drawn from twice the range: between half and the whole of 0.2 s, then of 0.4 s.
    assert all(pause >= 0.1 * 2**number for number, pause in enumerate(said["pauses"])), f"pauses {said['pauses']}"


@pytest.mark.group("app")
@pytest.mark.item("INF-10")
def test_the_request_id_reaches_the_journal_and_the_task(host, hosts, api, token, eventually):
    """From the caller's header to the answer, the API's log, and the log of the task it causes, wherever that runs."""
    name = f"check-{uuid4().hex}"
    answer = api("/tasks/ok", "POST", token, X_Request_ID=name)
    assert answer.status == 202, f"no task can be sent: {answer.status} {answer.text}"
    assert answer.headers["x-request-id"] == name

    def logged(machines, units):
        look = f"journalctl --no-pager --quiet --since -5min --output cat {units} | grep -F {name}"
        return [line for one in machines for line in one.run(look).stdout.splitlines() if json.loads(line)]

    eventually(lambda: logged([host], f"--unit {API_UNIT}"), seconds=30)
    eventually(lambda: logged(hosts.group("worker"), "--unit 'xteam-worker@*'"), seconds=90)
