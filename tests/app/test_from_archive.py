"""The release archive runs: API, worker, Beat, migrations, the application's own tests."""

import json
import re
import subprocess
import time
from secrets import token_hex
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lab.sentry_server import Tracker
from tests.app.conftest import EXAMPLE, Application
from tests.app.services import Services, wait_for

PAST_EDGE = {"X-Forwarded-For": "198.51.100.7"}


def call(app: Application, method: str, path: str, token: str = "", **options: Any) -> requests.Response:
    headers = PAST_EDGE | options.pop("headers", {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return requests.request(method, app.url + path, headers=headers, timeout=30, **options)


def finished(app: Application, token: str, task: str, **arguments: float) -> dict[str, Any]:
    made = call(app, "POST", f"/tasks/{task}", token, json=arguments, headers={"X-Request-ID": f"test-{task}"})
    assert made.status_code == 202, made.text
    answer: dict[str, Any] = {}

    def done() -> bool:
        answer.update(call(app, "GET", f"/tasks/{made.json()['id']}", token, headers=_somebody()).json())
        return answer["state"] in ("SUCCESS", "FAILURE")

    wait_for(f"task {task}", done, 90)
    return answer


def _somebody() -> dict[str, str]:
    """An address of its own: the rate limit is not what is tested."""
    return {"X-Forwarded-For": f"203.0.113.{time.monotonic_ns() % 250}"}


def log_lines(app: Application, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in app.log(name).splitlines()]


def test_schema_is_checked(migrated: Application, services: Services) -> None:
    assert migrated.run("xteam.migrate", "check").returncode == 0
    assert migrated.run("xteam.migrate", "check", POSTGRES_PASSWORD=token_hex()).returncode == 3
    # The application's role may use the tables and not change them.
    refused = migrated.run("xteam.migrate", "upgrade")
    assert (refused.returncode, "nothing to do" in refused.stdout) == (0, True), refused.stderr


def test_missing_environment_is_named(migrated: Application) -> None:
    done = migrated.run("xteam.migrate", "check", POSTGRES_HOST="", POSTGRES_PORT="many")
    assert done.returncode == 2
    assert re.search("POSTGRES_HOST.*POSTGRES_PORT", done.stderr)


@pytest.mark.parametrize(
    ("task", "arguments", "state"),
    [
        ("ok", {}, "SUCCESS"),
        ("slow", {"seconds": 0.5}, "SUCCESS"),
        ("failing", {}, "FAILURE"),
        ("retried", {"failures": 2}, "SUCCESS"),
    ],
)
def test_tasks(
    running: Application, tracker: Tracker, token: str, task: str, arguments: dict[str, float], state: str
) -> None:
    found = finished(running, token, task, **arguments)
    assert found["state"] == state
    if task == "failing":
        _reported(tracker, "test-failing", "asked to fail", running.environment)
    if task == "retried":
        assert found["result"] == 2


def test_a_request_id_is_found_in_the_worker(running: Application, token: str) -> None:
    finished(running, token, "slow", seconds=0.1)
    assert any(line["request_id"] == "test-slow" for line in log_lines(running, "api"))
    ends = [line for line in log_lines(running, "worker") if line.get("task") == "xteam.slow"]
    assert ends
    assert {line["request_id"] for line in ends} == {"test-slow"}
    assert ends[-1]["state"] == "SUCCESS"


def test_beat_ticks(running: Application) -> None:
    def ticked() -> bool:
        return "xteam_heartbeat_age_seconds" in requests.get(f"{running.url}/metrics", timeout=30).text

    wait_for("a heartbeat", ticked, 90)


def test_metrics_of_all_processes_add_up(running: Application) -> None:
    def count() -> float:
        text = requests.get(f"{running.url}/metrics", timeout=30).text
        labels = re.escape('{method="GET",route="/statistics",status="200"}')
        found = re.search(rf"xteam_http_request_duration_seconds_count{labels} (\S+)", text)
        return float(found[1]) if found else 0

    before = count()
    for _ in range(20):
        assert call(running, "GET", "/statistics", headers=_somebody()).status_code == 200
    assert {count() for _ in range(6)} == {before + 20}


def test_rate_limit_counts_the_client_behind_the_proxy(running: Application) -> None:
    limit = int(running.environment["rate_limit_requests_per_minute"])
    greedy, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    answers = [call(running, "GET", "/statistics", headers=greedy).status_code for _ in range(limit + 1)]
    assert answers == [200] * limit + [429]
    assert call(running, "GET", "/statistics", headers=other).status_code == 200


def test_websocket_on_the_wire(running: Application, token: str) -> None:
    address = running.url.replace("http", "ws") + "/ws"
    with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        socket.send("ping")
        assert socket.recv() == "pong"
        socket.send("hello")
        assert socket.recv() == "hello"
    with connect(address) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_an_error_is_told_to_the_log_and_not_to_the_caller(running: Application, tracker: Tracker, token: str) -> None:
    answer = call(running, "GET", "/debug/error", token, headers={"X-Request-ID": "test-error"})
    assert (answer.status_code, "deliberate" in answer.text) == (500, False)

    def told() -> bool:
        lines = [line for line in log_lines(running, "api") if line["request_id"] == "test-error"]
        return any("deliberate error" in line.get("exception", "") for line in lines)

    wait_for("the error in the log", told, 20)
    _reported(tracker, "test-error", "deliberate error", running.environment)


def _reported(tracker: Tracker, request_id: str, error: str, environment: dict[str, str]) -> None:
    def found() -> bool:
        event = next((tracker.events[row["id"]] for row in tracker.with_tag("request_id", request_id)), None)
        if event is None or error not in str(event["exception"]):
            return False
        return (event["release"], event["environment"]) == (environment["RELEASE"], environment["ENVIRONMENT"])

    wait_for("the error in Sentry", found, 20)


@pytest.mark.parametrize("role", ["cache", "sessions", "blacklist", "queue"])
def test_not_ready_without_a_redis(running: Application, services: Services, token: str, role: str) -> None:
    services.stop_one(role)
    try:
        answer = requests.get(f"{running.url}/readyz", timeout=30)
        assert answer.status_code == 503
        assert [name for name, state in answer.json()["checks"].items() if state != "ok"] == [f"redis-{role}"]
        assert requests.get(f"{running.url}/healthz", timeout=30).status_code == 200
        if role == "blacklist":
            assert call(running, "GET", "/me", token).status_code == 503, "a token that can't be checked isn't good"
        if role == "cache":
            assert call(running, "GET", "/statistics").status_code == 200, "slower, not wrong"
    finally:
        services.start_redis(role)
    assert requests.get(f"{running.url}/readyz", timeout=30).status_code == 200


def test_operators_commands(running: Application) -> None:
    assert running.run("xteam.manage", "create-user", "bob", stdin="short\n").returncode == 1
    assert running.run("xteam.manage", "create-user", "bob", stdin="long enough for anybody\n").returncode == 0
    again = running.run("xteam.manage", "create-user", "bob", stdin="long enough for anybody\n")
    assert (again.returncode, "--update" in again.stderr) == (1, True)
    assert json.loads(running.run("xteam.manage", "export", "bob").stdout)["user"]["name"] == "bob"
    assert running.run("xteam.manage", "erase", "bob").returncode == 0
    assert "no user named bob" in running.run("xteam.manage", "export", "bob").stderr
    assert running.run("xteam.manage", "cleanup").returncode == 0


def test_every_log_line_is_json_and_without_secrets(running: Application, services: Services) -> None:
    for name in ("api", "worker", "beat"):
        assert all("request_id" in line for line in log_lines(running, name))
        assert not [secret for secret in services.passwords.values() if secret in running.log(name)]


def test_the_applications_own_tests(running: Application, python, tmp_path) -> None:
    from uv import find_uv_bin

    tools = ["pip", "install", "--quiet", "--target", str(tmp_path / "tools"), "--python", str(python), "pytest==9.2.0"]
    subprocess.run([find_uv_bin(), *tools], check=True)
    words = ["pytest", "-q", "-p", "no:cacheprovider", "-c", str(EXAMPLE / "pyproject.toml"), str(EXAMPLE / "tests")]
    done = running.run(
        *words, PYTHONPATH=str(tmp_path / "tools"), PROMETHEUS_MULTIPROC_DIR="", PYTHONDONTWRITEBYTECODE="1"
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "skipped" not in done.stdout, done.stdout[-500:]
