"""Drills on migrations that are rehearsed on a restored copy of the newest backup before anything is changed."""

import re
from uuid import uuid4

import pytest

from checklist.run import not_applicable
from tests.drills.harness.releases import revision, serving

pytestmark = pytest.mark.group("app", first=True)
LOCK = "/var/lib/xteam/deploy.lock"
# Right in itself, and on an empty database: what breaks it is two rows with the same value.
BREAKS_ON_DATA = revision(
    "0005",
    "0004",
    'op.create_index("drill_once", "audit", ["action"], unique=True)',
    'op.drop_index("drill_once", "audit")',
)
GOOD = revision(
    "0005",
    "0004",
    'op.execute("CREATE TABLE drill AS SELECT * FROM audit")',
    'op.drop_table("drill")',
    'contracts = "a new table takes nothing away"',
)


@pytest.fixture
def keeper(hosts):
    """Where the rehearsal takes place."""
    if not hosts.group("backup") or not hosts.group("postgres"):
        not_applicable("no host keeps backups of PostgreSQL")
    return hosts.group("backup")[0]


@pytest.fixture
def data(host, estate):
    """What users leave behind: two of them were made, so two rows of the audit have the same action."""
    manage = f"xteam-run -m {estate.app.app_manage_module}"
    names = [f"drill-{uuid4().hex[:8]}" for _ in range(2)]
    for name in names:
        made = host.run_with_stdin(f"{manage} create-user {name}", f"{uuid4().hex}\n")
        assert made.rc == 0, made.stderr[-500:]
    yield
    for name in names:
        host.run(f"{manage} erase {name}")


@pytest.mark.item("TST-04")
def test_release_with_migration_that_fails_on_a_backup_is_refused(
    host, hosts, keeper, data, deploys, versions, home, schema, figures
):
    """Before any host of the application has the release, and before the database has anything of it."""
    before = serving(hosts)
    releases = {one.name: one.check_output("ls /opt/xteam/releases") for one in hosts.group("app")}
    status, said = deploys("release", version=versions.good(BREAKS_ON_DATA), rehearse="true")
    assert status != 0 and 'could not create unique index "drill_once"' in said, said[-3000:]
    assert "fail on a copy of the data: nothing was changed" in said, said[-3000:]
    figures["seconds_until_refused"] = float(re.findall(r"\[ *([\d.]+) s\] removed rehearsal", said)[-1])
    assert serving(hosts) == before
    for one in hosts.group("app"):
        assert one.check_output("ls /opt/xteam/releases") == releases[one.name], f"{one.name} was sent the release"
    assert host.run("xteam-migrate check").rc == 0, "the database itself was migrated"
    assert not host.check_output(f"cat {LOCK}"), "the lock is still held"
    _nothing_is_left(keeper)


@pytest.mark.item("TST-04")
def test_migrations_run_on_a_restored_backup_first(host, hosts, keeper, data, deploys, versions, home, schema, figures):
    """The run says how long each takes on a copy of the data; then the release is made as always."""
    before = serving(hosts)
    said = deploys.good("release", version=versions.good(GOOD), rehearse="true")
    took = re.search(r"revision 0005 applied in ([\d.]+) s", said)
    assert took, f"it does not say how long the migration takes: {said[-3000:]}"
    whole = re.search(r"\[ *([\d.]+) s\] rehearsed: the migrations of (\w+) took", said)
    assert whole, said[-3000:]
    figures["revision_seconds"], figures["rehearsal_seconds"] = float(took[1]), float(whole[1])
    assert set(serving(hosts).values()) == {whole[2]} != set(before.values()), "another release was rehearsed"
    assert host.run("xteam-migrate check").rc == 0, "the database was not migrated"
    _nothing_is_left(keeper)


def _nothing_is_left(keeper):
    """Neither of the copy of the data nor of the release."""
    assert "rehearsal" not in keeper.check_output("ls -A /var/lib/xteam/restore"), "the copy is left"
    assert not keeper.check_output("ls -A /var/lib/xteam/rehearsal"), "the release is left"
    assert keeper.run("systemctl is-active xteam-restore@rehearsal.service").rc != 0, "the copy runs on"
