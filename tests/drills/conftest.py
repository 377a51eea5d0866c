"""What every drill may use: `faults`, `write`, `figures`, `runbook`, `deploys`, and for releases `versions`, `home`.

Drills on PostgreSQL also have `cluster` and `client`, those on Redis `redis_hosts`, those on the edges `outsider`.

docs/operations/verification.md, "Drills"
"""

import json
from uuid import uuid4

import pytest

from checklist.disturbance import disturbance
from checklist.run import not_applicable
from tests.drills.harness.cluster import kept_whole
from tests.drills.harness.controller import Deploys
from tests.drills.harness.faults import Faults
from tests.drills.harness.releases import Versions, serving
from tests.drills.harness.runbooks import Runbook
from tests.drills.harness.writers import Writer
from xteam_infra.layers.app.releases import record_file


@pytest.fixture(autouse=True)
def disturbed(request, hosts):
    """Units complain of what a drill does to them: tests/hosts/test_journals.py leaves out what they said meanwhile."""
    with disturbance(hosts, f"drill {request.node.name}"):
        yield


@pytest.fixture
def faults(hosts):
    """Power, cables, services; all as before when the drill has ended."""
    found = Faults(hosts)
    yield found
    found.undo()


@pytest.fixture
def cluster(hosts, estate, eventually):
    """PostgreSQL on two hosts or more, whole before and after."""
    if len(hosts.group("postgres")) < 2:
        not_applicable("one PostgreSQL host: nobody to hand over to")
    with kept_whole(hosts, estate, eventually) as found:
        yield found


@pytest.fixture
def client(cluster, hosts):
    """A host of the application that is no member of the cluster."""
    found = [one for one in hosts if {"app", "worker"} & set(one.machine.groups) and one not in cluster.members]
    if not found:
        not_applicable("no host of the application beside the members in the inventory")
    return found[0]


@pytest.fixture
def outsider(hosts):
    """A host that may ask the edges more often than they let a client: nobody needs its own requests."""
    found = [one for one in hosts if not {"edge", "app"} & set(one.machine.groups)]
    if not found:
        not_applicable("every host is an edge or the application's: nobody else could ask")
    return found[0]


@pytest.fixture
def person(hosts, estate):
    """Name and password of a user who is erased afterwards."""
    app = hosts.group("app")[0]
    name, password = f"drill-{uuid4().hex[:8]}", uuid4().hex
    made = app.run_with_stdin(f"xteam-run -m {estate.app.app_manage_module} create-user {name}", f"{password}\n")
    assert made.rc == 0, made.stderr[-500:]
    yield {"name": name, "password": password}
    app.run(f"xteam-run -m {estate.app.app_manage_module} erase {name}")


@pytest.fixture
def token(hosts, estate, person):
    """A token of that user."""
    if not hosts.group("edge"):
        not_applicable("no edge: nobody balances")
    edge = hosts.group("edge")[0]
    body = json.dumps(json.dumps(person))
    config = f'url = "https://127.0.0.1/auth/login"\nheader = "Host: {estate.all.domain}"\n'
    config += f'header = "Content-Type: application/json"\ndata = {body}\n'
    return json.loads(edge.run_with_stdin("curl -ksS -K -", config).stdout)["access_token"]


@pytest.fixture
def redis_hosts(hosts):
    """The Redis hosts, when there are several."""
    found = hosts.group("redis")
    if len(found) == 1:
        not_applicable("one Redis host: nobody to hand over to")
    return found


@pytest.fixture
def write(eventually):
    """Start applications that write; none is left behind: `write(host, orders)`."""
    started = []

    def start(host, orders, name=""):
        started.append(Writer(host, orders, name))
        return started[-1].started(eventually)

    yield start
    for writer in started:
        writer.remove()


@pytest.fixture
def runbook(pytestconfig):
    """Carry out docs/runbooks/NAME.md: `book = runbook("failover")`. In the end every block must have been run."""
    opened = []

    def open_(name):
        opened.append(Runbook(name, pytestconfig.getoption("inventory")))
        return opened[-1]

    yield open_
    for book in opened:
        assert not book.not_run(), f"docs/runbooks/{book.name}.md has commands that nobody runs: {book.not_run()}"


@pytest.fixture
def versions(tmp_path):
    """Versions of the application to release: `versions("bad", (path, old, new))`, `versions.good()`."""
    return Versions(tmp_path)


@pytest.fixture
def deploys(pytestconfig):
    """Run a deploy: `status, said = deploys("release", version=...)`, or `deploys.good("edge")`."""
    return Deploys(pytestconfig.getoption("inventory"))


@pytest.fixture
def home(estate, hosts, deploys):
    """Afterwards the release that ran before runs again, and the record says so."""
    file = record_file(estate)
    before = file.read_text() if file.exists() else None, serving(hosts)
    yield
    if before == (file.read_text() if file.exists() else None, serving(hosts)):
        return
    if before[0] is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(before[0])
    deploys.good("app")
    deploys.good("celery")


@pytest.fixture
def schema(hosts, estate):
    """Take the drill's revisions back from the database: `schema()`, and once more afterwards."""

    def undo():
        statements = "DROP TABLE IF EXISTS drill; UPDATE alembic_version SET version_num = '0004'"
        for one in hosts.group("postgres"):
            psql = f"cd / && runuser -u postgres -- psql -XAtq -d {estate.postgres.POSTGRES_DB} -c"
            if one.run(f'{psql} "SELECT pg_is_in_recovery()"').stdout.strip() == "f":
                one.check_output(f"{psql} \"{statements} WHERE version_num = '0005'\"")

    yield undo
    undo()
