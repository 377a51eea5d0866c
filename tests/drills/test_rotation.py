"""Drill on the change of a database password: it breaks off half-way, is taken up again, and nobody is locked out."""

from pathlib import Path
from shlex import quote

import pytest

from checklist.rerun import planned
from checklist.run import not_applicable
from tests.drills.harness.controller import pyinfra
from tests.drills.harness.logins import POOLER, ROUTER, Logins
from xteam_infra.layers.app.needs import ENVIRONMENT
from xteam_infra.secrets import open_store

pytestmark = pytest.mark.group("postgres", first=True)
ROLL = "/usr/local/sbin/xteam-switch"


@pytest.fixture
def client(hosts, estate):
    """A host whose API logs in with the password."""
    if not hosts.group("app") or not estate.members("redis"):
        not_applicable("the application is not in the inventory")
    return hosts.group("app")[0]


@pytest.fixture
def logins(client, estate):
    """Logs in on the client's host all the time; none is left behind."""
    found = Logins(client, estate, ENVIRONMENT)
    yield found
    found.stop()


@pytest.fixture
def api_that_does_not_roll(client):
    """For the time of `with`: what starts another instance of the API fails."""
    client.check_output(f"chmod a-x {ROLL}")
    yield lambda: client.check_output(f"chmod 755 {ROLL}")
    client.check_output(f"chmod 755 {ROLL}")


@pytest.mark.item("SEC-02", kind="drill")
def test_password_rotation_fails_no_login(
    host, estate, secret, logins, api_that_does_not_roll, runbook, eventually, figures, pytestconfig
):
    """Programs that log in without pause, with the old and the new password, through a change that breaks off once."""
    book, name = runbook("rotate-database-password"), estate.postgres.POSTGRES_PASSWORD.name
    before = secret(name)
    logins.more(eventually)
    said = book.run("rotate", succeeds=False, SECRET=name)
    assert f"rotate_secret.py --data secret={name}" in said, f"it does not say what to run next: {said[-600:]}"
    logins.more(eventually)
    mend = api_that_does_not_roll
    mend()
    said += book.run("rotate", SECRET=name)
    logins.more(eventually)
    seen = logins.result(eventually)
    assert before not in said, "the password is shown"
    _no_login_failed(seen, figures)
    _both_were_valid(seen)
    left = planned(pytestconfig.getoption("inventory"), Path("deploys/all.py"), "")
    assert not left, f"a full run finds to do: {left}"
    book.run("look")
    assert not book.run("left", host).strip(), "a second login is left"


@pytest.mark.item("SEC-02", kind="drill")
def test_rotation_of_password_that_no_service_uses(host, estate, secret, pytestconfig):
    """One of a person's role: the store has the new one, the server takes it, and not the old one."""
    name, inventory = estate.postgres.postgres_readonly_password.name, pytestconfig.getoption("inventory")
    before = secret(name)
    rc, said = pyinfra(inventory, "tasks/rotate_secret.py", "--data", f"secret={name}")
    assert rc == 0, f"the change failed: {said[-800:]}"
    assert before not in said, "the password is shown"
    after = open_store(estate.all.secrets_store).get(name)
    assert after and after != before, "the store still has the old password"
    conninfo = "host=/var/run/postgresql user=readonly dbname=" + estate.postgres.POSTGRES_DB
    assert _lets_in(host, conninfo, after), "the new password is refused"
    assert not _lets_in(host, conninfo, before), "the old password is still valid"


def _lets_in(host, conninfo, password):
    ask = f"IFS= read -r PGPASSWORD; export PGPASSWORD; psql -XAtwqc 'SELECT 1' {quote(conninfo)}"
    return host.run_with_stdin(ask, f"{password}\n").rc == 0


def _no_login_failed(seen, figures):
    """With the credentials in force at each moment, through the pooler and past it."""
    present = [one for one in seen if one.whose == "present"]
    failed = [one for one in present if not one.good]
    for port in (POOLER, ROUTER):
        assert sum(one.port == port for one in present) > 25, "too few logins to show anything"
    assert not failed, f"{len(failed)} of {len(present)} logins failed: {failed[:3]}"
    figures["logins"], figures["failed"] = len(present), len(failed)
    figures["seconds"] = round(present[-1].at - present[0].at, 1)


def _both_were_valid(seen):
    """The old password beside the new one while the change went on, and not after it."""
    second = [one for one in seen if one.whose == "present" and one.user.endswith("_next")]
    assert second, "nobody ever used the second login"
    old = [one for one in seen if one.whose == "first"]
    assert any(one.good and one.at > second[0].at for one in old), "the old password was not valid beside the new one"
    assert not any(one.good for one in old[-4:]), "the old password is still valid"
