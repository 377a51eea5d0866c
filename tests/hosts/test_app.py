"""The application as its users, strangers and operators meet it. Asked of every API host, through no edge."""

import json
from collections import Counter
from dataclasses import dataclass
from uuid import uuid4

import pytest
from xteam_client import CA, Api, claims, forge, run_python

from checklist.run import not_applicable
from xteam_infra.plan.app import API_UNIT, CLEANUP_TIMER, ENVIRONMENT, MIGRATOR_ENVIRONMENT, UPLOADS, WORKSPACES
from xteam_infra.plan.celery import BEAT_UNIT, worker_unit
from xteam_infra.settings.strength import weakness

PASSWORD = "verify/user-password"  # noqa: S105 - the name of a secret
# Keys that are in documentation and examples; the first thing an attacker tries.
KNOWN_KEYS = ("", "secret", "changeme", "change-me", "your-secret-key", "your-secret-key-here", "supersecretkey", "dev")
SETTINGS_OF_APP = (
    "ENVIRONMENT",
    "LOG_LEVEL",
    "ACCESS_TOKEN_EXPIRE_MINUTES",
    "rate_limit_enabled",
    "rate_limit_requests_per_minute",
    "max_upload_size_mb",
    "database_pool_size",
    "database_max_overflow",
    "UPSTREAM_TIMEOUT_SECONDS",
    "UPSTREAM_MAX_RETRIES",
    "WORKSPACE_MAX_AGE_DAYS",
)
# The contract's other variables, docs/app-contract.md: all but the optional ones.
REQUIRED = (
    "RELEASE", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "CORS_ALLOW_ORIGINS", "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS",
    "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_SSLMODE",
    "POSTGRES_SSLROOTCERT", "REDIS_CACHE_URL", "REDIS_SESSIONS_URL", "REDIS_BLACKLIST_URL", "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND", "CELERY_LOADER", "UPLOAD_DIR", "WORKSPACE_DIR", "SECRET_KEY", "DEBUG",
)  # fmt: skip


@dataclass(frozen=True)
class User:
    """A user that exists for the checks alone. id: as in tokens."""

    name: str
    password: str
    id: str


def make_user(host, name, password, *options):
    said = host.run_with_stdin(f"xteam-run -m xteam.manage create-user {' '.join(options)} {name}", f"{password}\n")
    assert said.rc == 0, f"no user can be made on {host.name}: {said.stderr.strip()[-500:]}"


@pytest.fixture(scope="session")
def password(estate):
    """Of the checks' users; from the store, so that no report shows it."""
    from xteam_infra.secrets import Secret, Vault, open_store

    return Vault(open_store(estate.all.secrets_store)).resolve(Secret(PASSWORD))


@pytest.fixture(scope="module")
def staff(hosts, estate, password):
    """A user with staff rights; erased at the end."""
    api_host = hosts.group("app")[0]
    name = f"verify-{uuid4().hex[:8]}"
    make_user(api_host, name, password, "--staff")
    api = through(api_host, hosts, estate)
    token = api.login(name, password)
    yield User(name, password, claims(token)["sub"])
    api("/me", "DELETE", api.login(name, password))


def through(host, hosts, estate):
    """The API of a host, asked from an edge if there is one."""
    edges = hosts.group("edge")
    return Api(host, edges[0] if edges else host, estate)


@pytest.fixture
def api(host, hosts, estate):
    return through(host, hosts, estate)


@pytest.fixture(scope="module")
def tokens():
    return {}


@pytest.fixture
def token(api, staff, tokens):
    """A token of the checks' user, one for each host: logging in takes the API a quarter of a second."""
    if api.host.name not in tokens:
        tokens[api.host.name] = api.login(staff.name, staff.password)
    return tokens[api.host.name]


def processes_of(host, unit):
    """Process ids of a unit: its main process first, then its children."""
    pid = host.check_output(f"systemctl show --property MainPID --value {unit}").strip()
    return [pid, *host.run(f"pgrep --parent {pid}").stdout.split()]


def units_of(host, estate):
    """The application's long-running units on a host."""
    groups = host.machine.groups
    workers = [worker_unit(name) for name in estate.celery.celery_workers] + [BEAT_UNIT]
    return ([API_UNIT] if "app" in groups else []) + (workers if "worker" in groups else [])


@pytest.fixture
def environments(host, estate):
    """{unit: environment} as the running main processes have it, not as a file says."""
    found = {}
    for unit in units_of(host, estate):
        pid = host.check_output(f"systemctl show --property MainPID --value {unit}").strip()
        assert pid != "0", f"{unit} does not run"
        text = host.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout
        found[unit] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return found


# --- Settings


@pytest.mark.group("app", "worker")
@pytest.mark.item("PRE-02")
def test_every_variable_of_the_contract_is_set(host, environments):
    for unit, environment in environments.items():
        missing = [name for name in (*REQUIRED, *SETTINGS_OF_APP) if not environment.get(name)]
        assert not missing, f"{unit} runs without {', '.join(missing)}"
        release = host.check_output("readlink /opt/xteam/current").rpartition("/")[2]
        assert environment["RELEASE"] == release, f"{unit} runs {environment['RELEASE']}, in use is {release}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("PRE-02")
def test_processes_run_with_the_settings(estate, environments):
    for unit, environment in environments.items():
        for name in SETTINGS_OF_APP:
            wanted = getattr(estate.app, name)
            wanted = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
            assert environment[name] == wanted, f"{unit} runs with {name}={environment[name]}, not {wanted}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("APP-01")
def test_environment_is_production(environments):
    for unit, environment in environments.items():
        assert environment["ENVIRONMENT"] == "production", f"{unit} runs as {environment['ENVIRONMENT']}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("APP-03")
def test_log_level(environments):
    for unit, environment in environments.items():
        assert environment["LOG_LEVEL"] in ("WARNING", "ERROR"), f"{unit} logs from {environment['LOG_LEVEL']}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("SEC-05")
def test_debug_is_off(environments):
    for unit, environment in environments.items():
        assert environment["DEBUG"] == "false", f"{unit} runs with DEBUG={environment['DEBUG']}"


@pytest.mark.group("app")
@pytest.mark.item("APP-02")
def test_no_documentation_of_the_api(api):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert api(path).status == 404, f"{path} answers {api(path).status}"


# --- Secrets


@pytest.mark.group("app", "worker")
@pytest.mark.item("SEC-01")
def test_secret_key_is_strong_and_from_the_store(environments, estate, secret):
    for unit, environment in environments.items():
        assert environment["SECRET_KEY"] == secret(estate.app.SECRET_KEY.name), f"{unit} has another key than the store"
        assert not weakness(environment["SECRET_KEY"]), f"{unit}: {weakness(environment['SECRET_KEY'])}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-01")
def test_forged_tokens_are_refused(api, estate, staff, secret):
    genuine = api("/me", token=forge(secret(estate.app.SECRET_KEY.name), staff.id))
    assert genuine.status == 200, f"a token made with the true key is refused, so this check proves nothing: {genuine}"
    for key in KNOWN_KEYS:
        assert api("/me", token=forge(key, staff.id)).status == 401, f"a token signed with {key!r} is accepted"
    head, body, _ = forge("", staff.id).split(".")
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    for token in (f"{unsigned}.{body}.", f"{head}.{body}."):
        assert api("/me", token=token).status == 401, "an unsigned token is accepted"


@pytest.mark.group("app", "worker")
@pytest.mark.item("SEC-10")
def test_secret_files_are_private(host):
    """Only root, and for one file the application, may read values of the store."""
    wanted = {ENVIRONMENT: "640 root:xteam"}
    if "app" in host.machine.groups:
        wanted[MIGRATOR_ENVIRONMENT] = "600 root:root"
    for path, rights in wanted.items():
        found = host.check_output(f"stat -c '%a %U:%G' {path}").strip()
        assert found == rights, f"{path} is {found}, not {rights}"
        assert host.run(f"setpriv --reuid nobody --clear-groups cat {path}").rc != 0, f"nobody can read {path}"
    readable = host.run("find /opt/xteam /srv/xteam /etc/xteam -xdev -perm -o=w ! -type l").stdout.strip()
    assert not readable, f"anybody can write {readable}"


@pytest.mark.item("SEC-10")
def test_no_secret_in_processes_or_journal(host, estate, secret):
    """Every value the application's host could leak, looked for where other local users or a log collector see it."""
    names = [one.name for one in (*estate.app.secrets.values(), *estate.postgres.passwords.values())]
    names += [f"redis/{role}/{user}" for role in estate.redis.redis_instances for user in ("app", "admin", "replica")]
    values = "\n".join(secret(name) for name in names) + "\n"
    for what, command in (
        ("command line", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' > /run/xteam-check.$$"),
        ("journal", "journalctl --no-pager --quiet --since -2h --output cat > /run/xteam-check.$$"),
    ):
        # Read by the shell itself: grep's own command line must not hold them.
        look = f"umask 077; {command}; grep -cFf - /run/xteam-check.$$; rm -f /run/xteam-check.$$"
        found = host.run_with_stdin(look, values).stdout.strip()
        assert found == "0", f"{found} lines of a {what} hold a secret"


# --- Who may


@pytest.mark.group("app")
@pytest.mark.item("SEC-04")
def test_foreign_origins_are_refused(api, estate):
    allowed = estate.app.CORS_ALLOW_ORIGINS or (f"https://{estate.all.domain}",)
    asks = {"Access_Control_Request_Method": "GET"}
    for origin in allowed:
        granted = api("/me", "OPTIONS", Origin=origin, **asks).headers.get("access-control-allow-origin")
        assert granted == origin, f"our own origin {origin} is granted {granted}"
    for origin in ("https://evil.example", f"https://{estate.all.domain}.evil.example", "null"):
        for method in ("OPTIONS", "GET"):
            granted = api("/me", method, Origin=origin, **asks).headers.get("access-control-allow-origin")
            assert granted is None, f"{method} from {origin} is granted {granted}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-06")
def test_foreign_methods_and_headers_are_refused(api, estate):
    origin = (estate.app.CORS_ALLOW_ORIGINS or (f"https://{estate.all.domain}",))[0]

    def preflight(method, headers):
        asks = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": headers}
        return api("/me", "OPTIONS", Origin=origin, **asks)

    good = preflight(estate.app.CORS_ALLOW_METHODS[0], ",".join(estate.app.CORS_ALLOW_HEADERS))
    assert good.status == 200, f"what is allowed is refused: {good.status} {good.text}"
    for method in {"PATCH", "TRACE", "CONNECT"} - set(estate.app.CORS_ALLOW_METHODS):
        assert preflight(method, "Authorization").status == 400, f"method {method} is allowed"
    assert preflight("GET", "X-Evil").status == 400, "header X-Evil is allowed"
    allowed = good.headers["access-control-allow-methods"].replace(" ", "").split(",")
    assert set(allowed) == set(estate.app.CORS_ALLOW_METHODS), f"allowed are {allowed}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-12")
def test_foreign_host_names_are_refused(api):
    assert api("/statistics").status == 200
    for name in ("evil.example", f"{api.estate.all.domain}.evil.example", api.host.address):
        assert api("/statistics", Host=name).status == 400, f"the API answers to the name {name}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-05")
def test_error_pages_show_no_code(api, token):
    answer = api("/debug/error", token=token)
    assert answer.status == 500, f"an error on purpose gives {answer.status}"
    for word in ("Traceback", "File ", "RuntimeError", "deliberate", "site-packages"):
        assert word not in answer.text, f"the error page shows {word!r}"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


# --- Tokens


@pytest.mark.group("app")
@pytest.mark.item("SEC-15", "APP-08")
def test_tokens_end_in_time(estate, token):
    said = claims(token)
    minutes = (said["exp"] - said["iat"]) / 60
    assert minutes <= 30, f"a token lives {minutes:g} minutes"
    assert minutes == estate.app.ACCESS_TOKEN_EXPIRE_MINUTES, f"a token lives {minutes:g} minutes"


@pytest.mark.group("app")
@pytest.mark.item("SEC-09")
def test_a_token_is_worth_nothing_after_logout(api, hosts, estate, staff):
    """On the host it was used on, and on every other one."""
    token = api.login(staff.name, staff.password)
    assert api("/me", token=token).status == 200
    assert api("/auth/logout", "POST", token).status == 204
    for other in hosts.group("app"):
        answer = through(other, hosts, estate)("/me", token=token)
        assert answer.status == 401, f"{other.name} accepts a token after logout: {answer.status}"


WEBSOCKET = """
import asyncio, json, ssl, websockets
name, address, port = {name!r}, {address!r}, {port!r}
tokens = {tokens!r}
tls = ssl.create_default_context(cafile={ca!r})
async def talk(token):
    headers = {{"Authorization": "Bearer " + token}} if token else {{}}
    where = {{"host": address, "port": port, "server_hostname": address}}
    async with websockets.connect(f"wss://{{name}}/ws", ssl=tls, additional_headers=headers, **where) as socket:
        said = []
        try:
            for word in ("ping", "hello"):
                await socket.send(word)
                said.append(await asyncio.wait_for(socket.recv(), 10))
        except websockets.ConnectionClosed as closed:
            return [*said, closed.rcvd.code if closed.rcvd else None]
        await socket.close()
        return [*said, socket.close_code]
async def main():
    return {{name: await talk(token) for name, token in tokens.items()}}
print(json.dumps(asyncio.run(main())))
"""


@pytest.mark.group("app")
@pytest.mark.item("SEC-14", "POST-06")
def test_websocket_needs_a_token(host, api, estate, staff, token):
    """With one it echoes and is closed cleanly; without, with a forged or a revoked one it is refused."""
    revoked = api.login(staff.name, staff.password)
    api("/auth/logout", "POST", revoked)
    script = WEBSOCKET.format(
        name=estate.all.domain,
        address=host.address,
        port=estate.app.app_port,
        ca=CA,
        tokens={"none": "", "forged": forge("secret", staff.id), "revoked": revoked, "good": token},
    )
    said = run_python(host, script)
    assert said.pop("good") == ["pong", "hello", 1000], "a WebSocket with a good token does not echo"
    for what, answer in said.items():
        assert answer == [4401], f"a WebSocket with a token that is {what} gets {answer}"


# --- What it does


@pytest.mark.group("app")
@pytest.mark.item("POST-01")
def test_every_dependency_answers(api, estate):
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
def test_migrations_that_start_at_once_keep_apart(host):
    """Three at the same moment: one works (here: finds nothing to do), the others wait for its lock."""
    start = "xteam-migrate upgrade > /run/xteam-check.$i 2>&1 && echo good || cat /run/xteam-check.$i"
    said = host.run(f"for i in 1 2 3; do ( {start} ) & done; wait; rm -f /run/xteam-check.[123]").stdout.split()
    assert said == ["good"] * 3, f"of three migrations at once: {' '.join(said)}"


@pytest.mark.group("app")
@pytest.mark.item("APP-06")
def test_uploads_are_limited(host, api, estate, token):
    """One at the limit is kept, one byte more is refused."""
    limit = estate.app.max_upload_size_mb * 1024 * 1024
    file = "/run/xteam-check-upload"
    try:
        for size, wanted in ((limit, 201), (limit + 1, 413)):
            api.client.check_output(f"truncate -s {size} {file}")
            answer = api("/uploads?name=check", "POST", token, options=f"--data-binary @{file}")
            assert answer.status == wanted, f"an upload of {size} bytes gets {answer.status}, not {wanted}"
    finally:
        api.client.run(f"rm -f {file}")


@pytest.mark.group("app")
@pytest.mark.item("PERF-01")
def test_repeated_reads_come_from_the_cache(api, token):
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
            time.sleep(get_settings().UPSTREAM_TIMEOUT_SECONDS + 3)
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
def test_slow_upstreams_are_cut_off(host, estate, upstream):
    wanted = estate.app.UPSTREAM_TIMEOUT_SECONDS
    assert upstream["slow"]["error"] == "ReadTimeout", f"a silent upstream: {upstream['slow']}"
    assert wanted <= upstream["slow"]["seconds"] < wanted + 2, f"cut off after {upstream['slow']['seconds']} s"


@pytest.mark.group("app", first=True)
@pytest.mark.item("APP-05")
def test_failing_upstreams_are_tried_again_with_growing_pauses(host, estate, upstream):
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
        look = f"journalctl --no-pager --quiet --since -2min --output cat {units} | grep -F {name}"
        return [line for one in machines for line in one.run(look).stdout.splitlines() if json.loads(line)]

    eventually(lambda: logged([host], f"--unit {API_UNIT}"), seconds=10)
    eventually(lambda: logged(hosts.group("worker"), "--unit 'xteam-worker@*'"), seconds=20)


# --- A person's data


@pytest.fixture(scope="module")
def person(hosts, estate, password):
    """A user with an upload, a workspace, a session and cached reads: what there is to export and to erase."""
    host = hosts.group("app")[0]
    name = f"person-{uuid4().hex[:8]}"
    make_user(host, name, password)
    api = through(host, hosts, estate)
    token = api.login(name, password)
    upload = api("/uploads?name=diary.txt", "POST", token, body={"dear": "diary"})
    workspace = api("/workspaces", "POST", token, body={"name": "attic"})
    api("/workspaces", token=token)
    yield api, User(name, password, claims(token)["sub"]), token, upload.json()["id"], workspace.json()["id"]
    host.run(f"xteam-run -m xteam.manage erase {name}")


@pytest.mark.group("app", first=True)
@pytest.mark.item("LAW-06")
def test_a_user_gets_all_of_his_data(host, person):
    api, user, token, upload, workspace = person
    copy = api("/me/export", token=token).json()
    assert copy["user"]["name"] == user.name
    assert [one["id"] for one in copy["uploads"]] == [upload]
    assert [one["id"] for one in copy["workspaces"]] == [workspace]
    assert len(copy["sessions"]) == 1, "the export lacks the user's session"
    assert "login" in {one["action"] for one in copy["audit"]}, "the export lacks the user's audit"
    assert api(f"/uploads/{upload}", token=token).json() == {"dear": "diary"}


@pytest.mark.group("app", first=True)
@pytest.mark.item("LAW-07")
def test_an_erased_user_is_gone(host, person):
    """From the database, the disk, the sessions and the caches; what stays is an audit row with the bare number."""
    api, user, token, _, _ = person
    assert host.run(f"ls -d {UPLOADS}/{user.id} {WORKSPACES}/{user.id}").rc == 0, "nothing to erase: no proof"
    assert api("/me", "DELETE", token).status == 200
    assert api("/me", token=token).status == 401, "an erased user's token still works"
    again = api("/auth/login", "POST", body={"name": user.name, "password": user.password})
    assert again.status == 401, "an erased user can log in"
    left = host.run(f"ls -d {UPLOADS}/{user.id} {WORKSPACES}/{user.id} 2>/dev/null").stdout.split()
    assert not left, f"on disk are still {', '.join(left)}"
    look = """
import json
from sqlalchemy import select
from sqlalchemy.orm import Session
from xteam.database import engine
from xteam.models import Audit, Upload, User, Workspace
from xteam.stores import store
with Session(engine()) as session:
    rows = [len(session.scalars(select(t).where(c == %(id)s)).all())
            for t, c in ((User, User.id), (Upload, Upload.user_id), (Workspace, Workspace.user_id))]
    audit = session.scalars(select(Audit.action).where(Audit.subject == "%(id)s")).all()
keys = store("sessions").exists("session:user:%(id)s") + store("cache").exists("cache:workspaces:%(id)s")
print(json.dumps({"rows": sum(rows), "keys": keys, "audit": audit}))
"""
    found = run_python(host, look % {"id": user.id})
    assert found["rows"] == 0, f"{found['rows']} rows of an erased user are left"
    assert found["keys"] == 0, "sessions or cached answers of an erased user are left"
    assert "erase" in found["audit"], "no audit record of the erasure"


# --- Limits


@pytest.mark.group("app")
@pytest.mark.item("INF-05")
def test_the_api_runs_within_its_limits(host, estate):
    settings = estate.app
    check_limits(host, API_UNIT, settings.api_memory_mb, settings.api_tasks_max, settings.api_cpu_percent)


def check_limits(host, unit, memory_mb, tasks, cpu_percent):
    """The limits as systemd has them for the running unit."""
    names = "MemoryMax,TasksMax,CPUQuotaPerSecUSec"
    shown = host.check_output(f"systemctl show --property {names} {unit}")
    found = dict(line.split("=", 1) for line in shown.splitlines())
    assert found["MemoryMax"] == str(memory_mb * 1024 * 1024), f"{unit} may use {found['MemoryMax']} bytes"
    assert found["TasksMax"] == str(tasks), f"{unit} may have {found['TasksMax']} tasks"
    wanted = f"{cpu_percent / 100:g}s" if cpu_percent else "infinity"
    assert found["CPUQuotaPerSecUSec"] == wanted, f"{unit} may use {found['CPUQuotaPerSecUSec']} of CPU a second"


@pytest.mark.group("app")
def test_the_kernel_enforces_the_limits(host, estate):
    """What systemd was told has reached the kernel."""
    group = host.check_output(f"systemctl show --property ControlGroup --value {API_UNIT}").strip()
    limit = host.run(f"cat /sys/fs/cgroup{group}/memory.max")
    if limit.rc != 0:
        not_applicable("this host may not set limits of control groups (a container); systemd is told them")
    assert limit.stdout.strip() == str(estate.app.api_memory_mb * 1024 * 1024)


@pytest.mark.group("app")
@pytest.mark.item("PERF-06")
def test_the_api_has_as_many_processes_as_set(host, estate):
    """The parent's children that serve, and no more than the cores can feed."""
    pid = host.check_output(f"systemctl show --property MainPID --value {API_UNIT}").strip()
    children = host.run(f"pgrep --parent {pid} --full spawn_main").stdout.split()
    assert len(children) == estate.app.api_workers, f"{len(children)} API processes, not {estate.app.api_workers}"
    cores = int(host.check_output("nproc"))
    assert len(children) <= 2 * cores, f"{len(children)} API processes on {cores} cores"


@pytest.mark.group("app", "worker")
def test_units_are_confined(host, estate):
    """As `systemd-analyze security` scores them: 10 is unprotected, 2 and less is what it calls OK at best."""
    for unit in units_of(host, estate):
        said = host.check_output(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        score = float(said.split(":")[1].split()[0])
        assert score <= 2.0, f"{unit} is exposed: {score}"
