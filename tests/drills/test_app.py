"""Drills on releases: a good one, a way back, and bad ones, while users work through the edge.

Figures are kept, not asserted; what must hold is that nobody's request fails.
"""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from checklist.run import not_applicable
from xteam_infra.deployment import record_file

pytestmark = pytest.mark.group("app", first=True)
LOAD = Path(__file__).with_name("release_load.py")
FILES = "/run/xteam-release-drill"
EXAMPLE = Path("examples/xteam")
SECONDS = 900
COUNTED = (
    "requests",
    "requests_failed",
    "slow",
    "slow_failed",
    "websockets",
    "websockets_reconnected",
    "websockets_failed",
)


class Versions:
    """Copies of the application with something changed: `versions("bad", "src/xteam/main.py", "old", "new")`."""

    def __init__(self, directory):
        self.directory = directory

    def __call__(self, name, *edits):
        """edits: (path, old text, new text); an old text of None: the file is made."""
        copy = self.directory / name
        shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", "tests", "dist", ".*"))
        for path, old, new in edits:
            file = copy / path
            before = "" if old is None else file.read_text()
            assert old is None or old in before, f"{path} has no {old!r}"
            file.write_text(new if old is None else before.replace(old, new))
        return str(copy)

    def good(self):
        return self(f"good-{uuid4().hex[:6]}", ("src/xteam/__init__.py", None, f'__version__ = "{uuid4().hex[:6]}"\n'))


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path)


@pytest.fixture
def pyinfra(pytestconfig):
    """Run a deploy: `pyinfra("deploys/release.py", version=...)`; its exit status and what it said."""

    def run(deploy, **data):
        words = [str(Path(sys.executable).with_name("pyinfra")), "-y", pytestconfig.getoption("inventory"), deploy]
        words += [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def home(estate, hosts, pyinfra):
    """Afterwards the release that ran before runs again, and the record says so."""
    file = record_file(estate)
    before = file.read_text() if file.exists() else None
    yield
    if before is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(before)
    status, said = pyinfra("deploys/app.py")
    assert status == 0, said[-2000:]
    status, said = pyinfra("deploys/celery.py")
    assert status == 0, said[-2000:]


class Load:
    """Users on one edge host: with kept connections, with slow uploads, with WebSockets."""

    def __init__(self, edge, estate, token, first, users):
        """first: number of the first user, so that no two edges have users of the same address."""
        self.edge = edge
        settings = {
            "name": estate.all.domain, "ca": "/etc/xteam/pki/ca.crt", "go": f"{FILES}.go", "ready": f"{FILES}.ready",
            "first": first, **users, "pause": 0.8, "slow_seconds": 5, "websocket_pause": 3, "seconds": SECONDS,
        }  # fmt: skip
        edge.run(f"rm -f {FILES}.*; touch {FILES}.go; xteam-edge clear table clients")
        edge.run_with_stdin(f"cat > {FILES}.py", LOAD.read_text())
        edge.run_with_stdin(f"umask 077; cat > {FILES}.in", f"{json.dumps(settings)}\n{token}\n")
        edge.check_output(
            f"systemd-run -q --collect --unit xteam-release-drill -p StandardInput=file:{FILES}.in -p LimitNOFILE=4096"
            f" -p StandardOutput=truncate:{FILES}.out -p StandardError=truncate:{FILES}.err python3 {FILES}.py"
        )

    def ready(self):
        return self.edge.run(f"test -e {FILES}.ready").rc == 0

    def result(self, eventually):
        """Let the users go and say what they saw."""
        eventually(lambda: self.edge.run(f"test -s {FILES}.out || test -s {FILES}.err").rc == 0, seconds=90, interval=1)
        return json.loads(self.edge.check_output(f"cat {FILES}.out {FILES}.err"))

    def remove(self):
        self.edge.run(
            f"systemctl stop xteam-release-drill 2>/dev/null; rm -f {FILES}.*; xteam-edge clear table clients"
        )


# Of all edges together.
USERS = {"kept": 40, "slow": 10, "websockets": 200}


class Users:
    """Users of every edge: what they saw is added up."""

    def __init__(self, edges, estate, token):
        users = {kind: number // len(edges) for kind, number in USERS.items()}
        size = sum(users.values())
        self.loads = [Load(edge, estate, token, size * number, users) for number, edge in enumerate(edges)]

    def ready(self):
        return all(load.ready() for load in self.loads)

    def result(self, eventually, figures):
        """End them and say what they saw: how many of what, the slowest answer, and what went wrong."""
        for load in self.loads:
            load.edge.run(f"rm -f {FILES}.go")
        seen = Counter()
        slowest, trouble = 0, []
        for load in self.loads:
            one = load.result(eventually)
            slowest, trouble = max(slowest, one.pop("slowest_seconds")), trouble + one.pop("trouble")
            seen.update(one)
        figures |= {name: seen[name] for name in COUNTED} | {"slowest_seconds": slowest}
        figures["websockets_closed_1012"] = seen["websockets_closed_1012"]
        return {**seen, "trouble": trouble}


@pytest.fixture
def load(hosts, estate, eventually):
    """Start users; afterwards the one whose name they used is erased."""
    if not hosts.group("edge"):
        not_applicable("no edge: nobody balances")
    app, edge = hosts.group("app")[0], hosts.group("edge")[0]
    name, password = f"drill-{uuid4().hex[:8]}", uuid4().hex
    made = app.run_with_stdin(f"xteam-run -m {estate.app.app_manage_module} create-user {name}", f"{password}\n")
    assert made.rc == 0, made.stderr[-500:]
    body = json.dumps(json.dumps({"name": name, "password": password}))
    config = f'url = "https://127.0.0.1/auth/login"\nheader = "Host: {estate.all.domain}"\n'
    config += f'header = "Content-Type: application/json"\ndata = {body}\n'
    token = json.loads(edge.run_with_stdin("curl -ksS -K -", config).stdout)["access_token"]
    started = []

    def start():
        users = Users(hosts.group("edge"), estate, token)
        started.extend(users.loads)
        eventually(users.ready, seconds=120, interval=1)
        time.sleep(3)
        return users

    yield start
    for one in started:
        one.remove()
    app.run(f"xteam-run -m {estate.app.app_manage_module} erase {name}")


def releases(hosts):
    """{host: the release its API serves}"""
    found = {}
    for host in hosts.group("app"):
        lines = [line.split() for line in host.check_output("xteam-roll status").splitlines()]
        found[host.name] = next((line[3] for line in lines if line[2] == "serves"), None)
    return found


def failed(seen):
    return {key: value for key, value in seen.items() if key.endswith("_failed") and value}


@pytest.mark.item("CI-06", "CI-09", "PRE-06", "TST-08")
def test_a_release_and_a_rollback_lose_no_request(host, hosts, runbook, load, versions, home, figures, eventually):
    """Under load, by their runbooks: to a new release on every host and back again, twice without a failed request."""
    book, back = runbook("release"), runbook("rollback")
    before = releases(hosts)
    users = load()
    started = time.monotonic()
    book.run("release", VERSION=versions.good())
    figures["release_seconds"] = round(time.monotonic() - started, 1)
    after = releases(hosts)
    assert all(after[name] and after[name] != before[name] for name in before), f"{before} became {after}"
    assert "release of" in book.run("who", host) and "serves" in book.run("status", host)
    started = time.monotonic()
    back.run("rollback")
    figures["rollback_seconds"] = round(time.monotonic() - started, 1)
    assert "serves" in back.run("status", host)
    seen = users.result(eventually, figures)
    assert releases(hosts) == before, f"{before} became {releases(hosts)} after the rollback"
    assert seen["requests"] > 100 and seen["websockets"] == 200, f"the drill shows nothing: {seen}"
    assert not failed(seen), f"users were failed: {seen}"


NEVER_READY = ("src/xteam/operations.py", "return all(state in", "return False and all(state in")


@pytest.mark.item("CI-06", "CI-09", "PRE-06")
def test_a_broken_release_goes_back_by_itself(host, hosts, pyinfra, load, versions, home, figures, eventually):
    """One that never becomes ready, under load: the canary's old instance serves on, no other host is touched."""
    before = releases(hosts)
    users = load()
    started = time.monotonic()
    status, said = pyinfra("deploys/release.py", version=versions("bad", NEVER_READY), api_ready_seconds=20)
    figures["seconds_to_rollback"] = round(time.monotonic() - started, 1)
    seen = users.result(eventually, figures)
    assert status != 0 and "is not ready after" in said, said[-3000:]
    assert releases(hosts) == before, f"{before} became {releases(hosts)}"
    assert not failed(seen), f"users were failed: {seen}"
    wanted = host.check_output("readlink /opt/xteam/current").rpartition("/")[2]
    assert wanted == before[host.name]


REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = {name!r}, {after!r}
def upgrade():
    {upgrade}
def downgrade():
    {downgrade}
"""
VERSIONS = "src/xteam/migrations/versions"


def revision(name, after, upgrade="pass", downgrade="op.get_bind()"):
    text = REVISION.format(name=name, after=after, upgrade=upgrade, downgrade=downgrade)
    return (f"{VERSIONS}/{name}.py", None, text)


TABLE = 'op.create_table("drill", sa.Column("id", sa.Integer))'
# What is wrong with a release, and what it is refused with.
WRONG = {
    "two-heads": ([revision("0005", "0004"), revision("0006", "0004")], "2 heads"),
    "no-way-back": ([revision("0005", "0004", downgrade="pass")], "0005 has no downgrade"),
    "destroys": ([revision("0005", "0004", 'op.drop_column("users", "is_staff")')], "0005 has drop_column"),
    "ends-at-once": (
        [("src/xteam/main.py", "app = create_app()", 'raise SystemExit("broken on purpose")')],
        "ends as soon as it is started",
    ),
    "fails-half-way": (
        [
            revision("0005", "0004", TABLE, 'op.drop_table("drill")'),
            revision("0006", "0005", 'op.add_column("nowhere", sa.Column("id", sa.Integer))'),
        ],
        'relation "nowhere" does not exist',
    ),
}


@pytest.fixture
def schema(hosts, estate):
    """Afterwards the database is where it was."""
    yield
    undo = "DROP TABLE IF EXISTS drill; UPDATE alembic_version SET version_num = '0004' WHERE version_num = '0005'"
    for one in hosts.group("postgres"):
        psql = f"cd / && runuser -u postgres -- psql -XAtq -d {estate.postgres.POSTGRES_DB} -c"
        if one.run(f'{psql} "SELECT pg_is_in_recovery()"').stdout.strip() == "f":
            one.check_output(f'{psql} "{undo}"')


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_releases_are_refused(host, hosts, pyinfra, versions, home, schema, fault):
    """With a clear reason; what served goes on serving, and the lock is free again."""
    edits, reason = WRONG[fault]
    before = releases(hosts)
    status, said = pyinfra("deploys/release.py", version=versions(fault, *edits))
    assert status != 0 and reason in said, said[-3000:]
    assert releases(hosts) == before, f"{before} became {releases(hosts)}"
    held = host.run("cat /var/lib/xteam/deploy.lock").stdout.strip()
    assert not held, f"the lock is still held: {held}"


def test_a_lock_that_is_held_is_respected(host, hosts, pyinfra, versions):
    """Who holds it is told; once it has expired it is taken over, which the other drills' runs need not wait for."""
    lock = {"owner": "ada@elsewhere", "purpose": "release of v9", "expires": time.time() + 600}
    before = releases(hosts)
    host.run_with_stdin("cat > /var/lib/xteam/deploy.lock", json.dumps(lock))
    try:
        status, said = pyinfra("deploys/release.py", version=versions.good())
        assert status != 0 and "release of v9, by ada@elsewhere" in said, said[-3000:]
        assert releases(hosts) == before
        assert json.loads(host.check_output("cat /var/lib/xteam/deploy.lock"))["owner"] == "ada@elsewhere"
    finally:
        host.run("rm -f /var/lib/xteam/deploy.lock")
