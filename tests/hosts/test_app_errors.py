"""Error tracking: an error that is raised in a process is found in the tracker, by the id of its request.

Where `sentry_api` is not set nobody can look into the tracker: proved is then that it takes what a process would send.
"""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from units import environment_of, processes_of, units_of
from xteam_client import curl, run_python

from checklist.run import not_applicable
from xteam_infra.layers.app.needs import ACCOUNT
from xteam_infra.layers.celery.needs import worker_unit

pytestmark = [pytest.mark.item("SEC-13", "MON-02"), pytest.mark.serial("celery")]

HERE = Path(__file__).parent
# A tracker takes its time until an event can be found.
FOUND_SECONDS = 120
PLANTED = "planted-where-only-a-careless-tracker-looks"


@pytest.fixture
def event(host, estate, secret, eventually):
    """The event of a request, as Sentry's own API shows it: `event(request_id)`. Asked from the host under test."""
    if not estate.app.sentry_api:
        not_applicable("sentry_api is not set: what the tracker has can't be read back")

    def ask(path):
        bearer = f"Authorization: Bearer {secret(estate.app.sentry_api_token.name)}"
        config = [f"url = {json.dumps(estate.app.sentry_api + path)}", f"header = {json.dumps(bearer)}"]
        answer = curl(host, [*config, "include", "globoff", "max-time = 30"], account=ACCOUNT)
        assert answer.status == 200, f"{estate.app.sentry_api} answers {answer.status}: {answer.text[:200]}"
        return answer.json()

    def found(name):
        query = f"dataset=errors&statsPeriod=1h&field=id&query={quote(f'request_id:{name}')}"
        rows = ask(f"/events/?{query}")["data"]
        assert rows, f"no event with request id {name} has arrived"
        return rows[0]["id"]

    def event_of(name):
        identity = eventually(lambda: found(name), seconds=FOUND_SECONDS, interval=1)
        return ask(f"/eventids/{identity}/")["event"]

    return event_of


@pytest.fixture
def arrived(host, estate, event, secret, staff, token):
    """See that the error of a request arrived with what runs, and gives nothing away: `arrived(request_id, unit)`."""
    names = [estate.app.SECRET_KEY.name, estate.postgres.POSTGRES_PASSWORD.name]
    names += [f"redis/{role}/app" for role in ("cache", "sessions", "blacklist", "queue")]
    hidden = {name: secret(name) for name in names}
    hidden |= {"the user's token": token, "the user's password": staff.password, "a planted cookie": PLANTED}

    def check(name, unit):
        found, environment = event(name), environment_of(host, unit)
        tags = {tag["key"]: tag["value"] for tag in found["tags"]}
        assert "RuntimeError" in json.dumps(found), "the event is not of the error that was raised"
        for tag in ("release", "environment"):
            runs = environment[tag.upper()]
            assert tags.get(tag) == runs, f"{unit} runs {tag} {runs}, its error is one of {tags.get(tag)}"
        told = [what for what, value in hidden.items() if value in json.dumps(found)]
        assert not told, f"the tracker is told {', '.join(told)}"

    return check


@pytest.mark.group("app")
def test_api_error_reaches_error_tracker(api, host, estate, token, arrived):
    answer = api("/debug/error", token=token, Cookie=f"session={PLANTED}")
    assert answer.status == 500, f"an error on purpose gives {answer.status}"
    arrived(answer.headers["x-request-id"], units_of(host, estate)[0])


@pytest.mark.group("worker")
def test_worker_error_reaches_error_tracker(host, hosts, estate, arrived):
    """A task that fails, in each worker of the host."""
    queues = {worker_unit(name): f"probe.{name}@{host.name}" for name in estate.celery.celery_workers}
    sent = run_python(host, f"WORKERS = {queues!r}\n{(HERE / 'error_task.py').read_text()}", timeout=120)
    try:
        for unit, name in sent["names"].items():
            arrived(name, unit)
    finally:
        host.run(f"xteam-deadletters drop {' '.join(sent['tasks'])}")


@pytest.mark.group("app", "worker")
def test_error_tracker_accepts_events(host, estate):
    """With address, key, release and environment of each running process."""
    assert estate.app.SENTRY_DSN, (
        "SENTRY_DSN is not set in group_data/app.py: errors are reported nowhere but to the log"
    )
    processes = {unit: processes_of(host, unit)[0] for unit in units_of(host, estate)}
    said = host.run_with_stdin(
        "python3 -I -", f"PROCESSES, ACCOUNT = {processes!r}, {ACCOUNT!r}\n{(HERE / 'error_sent.py').read_text()}"
    )
    assert said.rc == 0, f"nothing can be sent from {host.name}: {said.stderr.strip()[-500:]}"
    for unit, one in json.loads(said.stdout).items():
        assert one["answer"] == 200, f"the tracker answers {one['answer']} to what {unit} would send"
        assert one["release"] and one["environment"], f"{unit} does not know what it is"
