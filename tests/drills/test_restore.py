"""Restores, carried out: the database as it was at a moment, by the command an operator types.

Writes a few rows to the cluster and takes them back. Beside the repository while service goes on; at last in place.
"""

import re
import shlex
import time
from datetime import UTC, datetime, timedelta

import pytest

from xteam_infra.distribution import DISTRIBUTION

pytestmark = pytest.mark.group("backup", first=True)
SCHEMA = "xteam_restore_drill"
PSQL = f"cd / && PGOPTIONS='-c search_path={SCHEMA}' runuser -u postgres -- psql -XqAt"


@pytest.fixture
def restore(deploys):
    """Run tasks/restore.py as an operator does; give its exit status and all it printed."""

    def run(limit=("--limit", "backup"), **data):
        return deploys("restore", *limit, **data)

    return run


@pytest.fixture
def leader(hosts):
    """The database host that takes writes."""
    found = next((one for one in hosts.group("postgres") if ask(one, "select pg_is_in_recovery()") == "f"), None)
    assert found, "no database host leads"
    return found


@pytest.fixture
def rows(leader, hosts, estate):
    """A table with one row, in a schema of its own, gone afterwards."""
    database = estate.postgres.POSTGRES_DB
    gone = f"drop schema if exists {SCHEMA} cascade"
    ask(leader, f"{gone}; create schema {SCHEMA}", database)
    ask(leader, "create table rows as select 1 as id", database)
    yield lambda sql: ask(leader, sql, database)
    for one in hosts.group("postgres"):  # after a restore in place another host may lead
        if ask(one, "select pg_is_in_recovery()") == "f":
            ask(one, gone, database)


@pytest.fixture
def scratch(host):
    """Ask a scratch instance; all that were made are removed afterwards."""
    names = []

    def query(said, sql):
        connect = re.search(r"Connect: sudo -u postgres psql (.*)", said).group(1)
        names.append(re.search(r"xteam-restore remove (\S+)", said).group(1))
        return host.check_output(f"{PSQL} {connect} -c {shlex.quote(sql)}")

    yield query
    for name in set(names):
        host.check_output("xteam-restore remove %s", name)


def ask(host, sql, database="postgres"):
    return host.check_output(f"{PSQL} -d {database} -c {shlex.quote(sql)}")


def text(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")


@pytest.mark.item("BAK-02", "BAK-05", "TST-05")
def test_point_in_time_restore_brings_back_deleted_row(restore, rows, scratch):
    """Exactly as it was: the row that was deleted is there, the one written later is not, and the table is."""
    time.sleep(1)
    moment = datetime.fromisoformat(rows("select clock_timestamp()"))
    time.sleep(1)
    rows("delete from rows")
    rows("insert into rows values (2)")
    rows("alter table rows rename to renamed")
    rows("select pg_switch_wal()")  # otherwise the restore waits until it is archived by itself

    status, said = restore(target=text(moment.astimezone(UTC)))
    assert status == 0, said
    assert scratch(said, "select string_agg(id::text, ',') from rows") == "1", "the restored rows are others"
    assert f"{SCHEMA}.rows: 1 rows" in said, f"the rows are not in what the restore reports: {said}"
    assert rows("select id from renamed") == "2", "the restore changed the cluster"
    # It can't do harm by standing there.
    assert scratch(said, "show archive_mode") == "off", "the scratch instance archives into the repository"
    assert scratch(said, "show listen_addresses") == "", "the scratch instance is open to the network"

    again, refusal = restore(target=text(moment.astimezone(UTC)))
    assert again != 0 and "in use" in refusal and "replace=true" in refusal, refusal
    status, said = restore(target=text(moment.astimezone(UTC)), replace="true")
    assert status == 0, said
    assert scratch(said, "select count(*) from rows") == "1"


@pytest.mark.item("BAK-02", "TST-05")
def test_restore_to_latest_brings_back_last_write(restore, rows, scratch):
    """All that was archived, in an instance that takes writes."""
    rows("select pg_switch_wal()")
    time.sleep(5)
    status, said = restore(target="latest", replace="true")
    assert status == 0, said
    assert scratch(said, "select id from rows") == "1", "what was archived did not come back"
    scratch(said, "insert into rows values (3)")


@pytest.mark.item("BAK-05", "TST-05")
def test_restore_to_restore_point_and_lsn(restore, rows, scratch, estate):
    """From the second repository, if there is one: by the name that somebody gave, and by an LSN."""
    repository = 2 if estate.backup.backup_s3_bucket else 1
    rows("select pg_create_restore_point('before-two')")
    place = rows("select pg_current_wal_lsn()")
    rows("insert into rows values (2)")
    rows("select pg_switch_wal()")
    time.sleep(5)
    for target in ("name:before-two", place):
        status, said = restore(target=target, repository=repository)
        assert status == 0 and f"from repository {repository}" in said, said
        assert scratch(said, "select string_agg(id::text, ',') from rows") == "1", f"{target}: the rows are others"


@pytest.mark.item("TST-05")
def test_a_restore_in_place_without_confirmation_is_refused(restore, rows, estate):
    """And says what to type; nothing is changed."""
    status, said = restore((), target="latest", into="cluster")
    assert status != 0 and f"{estate.all.domain} latest" in said and "no host was changed" in said, said
    assert rows("select id from rows") == "1", "a restore that was refused changed the cluster"


def _the_cluster_went_back(hosts, eventually, database):
    """Every member has the row of that moment, keeps its old data, and would not stop at that moment again."""
    for member in hosts.group("postgres"):
        ids = f"select string_agg(id::text, ',') from {SCHEMA}.items"  # noqa: S608
        eventually(lambda m=member, sql=ids: ask(m, sql, database) == "1", seconds=60)
        assert member.check_output(f"ls -d {DISTRIBUTION.postgres_data}.before-*"), f"{member.name}'s old data is gone"
        settings = f"{DISTRIBUTION.postgres_data}/postgresql.auto.conf"
        assert not member.run("grep recovery_target %s", settings).stdout, f"{member.name} keeps the target"
        member.check_output(f"rm -rf {DISTRIBUTION.postgres_data}.before-*")


def _full_backups(host):
    [stanza] = host.json("cd / && runuser -u postgres -- pgbackrest --stanza=main --output=json info")
    return [one["label"] for one in stanza["backup"] if one["type"] == "full"]


@pytest.mark.item("TST-05")
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (lambda: text(datetime.now(UTC) + timedelta(hours=1)), "a moment of the past"),
        (lambda: "2001-01-01 00:00:00+00", "before the first backup"),
        (lambda: "2026-11-23 07:40:00", "the zone is missing"),
        (lambda: "yesterday", "a time with its zone"),
        (lambda: "0/1", "before the first backup"),
    ],
    ids=["future", "before the first backup", "without zone", "not a time", "before the first place"],
)
def test_restore_to_unreachable_target_is_refused(host, restore, target, reason):
    """With the reason, and nothing is left behind."""
    before = host.check_output("ls /var/lib/xteam/restore")
    status, said = restore(target=target())
    assert status != 0 and reason in said, said
    assert "Traceback" not in said, said
    assert host.check_output("ls /var/lib/xteam/restore") == before


@pytest.mark.item("TST-05")
def test_restore_runbook_restores_cluster_in_place(host, hosts, runbook, rows, estate, eventually):
    """docs/runbooks/restore.md, by an operator who types what stands there."""
    book = runbook("restore")
    placeholder = '"2026-11-23 07:40:00+00"'
    rows("alter table rows rename to items")
    time.sleep(1)
    moment = text(datetime.fromisoformat(rows("select clock_timestamp()")).astimezone(UTC))
    time.sleep(1)
    rows("insert into items values (2)")
    rows("select pg_switch_wal()")
    assert "full backup" in book.run("list-backups", host)
    said = book.run("restore", **{placeholder: f'"{moment}" --data replace=true'})
    name = re.search(r"xteam-restore remove (\S+)", said).group(1)
    book.run("take-out", host, **{"NAME": name, "public.items": f"{SCHEMA}.items"})
    assert "\n1\n" in host.check_output("cat /root/items.sql; rm /root/items.sql")
    book.run("remove", host, NAME=name)
    said = book.run("restore-there", host, **{placeholder: f'"{moment}"'})
    host.check_output("xteam-restore remove %s", re.search(r"xteam-restore remove (\S+)", said).group(1))
    before = len(_full_backups(host))
    sure = f"{estate.all.domain} {moment}"
    book.run("in-place", **{"DOMAIN 2026-11-23 07:40:00+00": sure, placeholder: f'"{moment}"'})
    _the_cluster_went_back(hosts, eventually, estate.postgres.POSTGRES_DB)
    assert len(_full_backups(host)) > before, "no full backup followed"


# In place of the first repository's stanza one of a cluster that was never here. Backups lie beside it meanwhile.
FOREIGN = f"""
set -eu
cd /
as() {{ runuser -u postgres -- "$@"; }}
place=/var/lib/xteam/restore/foreign
install -d -o postgres -g postgres -m 700 $place
as {DISTRIBUTION.postgres_programs}/initdb -k -D $place/data >/dev/null
for part in backup archive; do mv PATH/$part/main PATH/$part/main.own; done
install -o postgres -g postgres -m 600 /dev/null $place/pgbackrest.conf
{{ echo '[global]'; grep ^repo1 /etc/pgbackrest/conf.d/repository.conf; \
printf '[main]\\npg1-path=%s\\n' $place/data; }} \
  > $place/pgbackrest.conf
as pgbackrest --config=$place/pgbackrest.conf --stanza=main --no-online stanza-create >&2
as {DISTRIBUTION.postgres_programs}/pg_controldata -D $place/data | sed -n 's/^Database system identifier: *//p'
"""
OWN_AGAIN = """
for part in backup archive; do
    [ ! -e PATH/$part/main.own ] || { rm -rf PATH/$part/main; mv PATH/$part/main.own PATH/$part/main; }
done
rm -rf /var/lib/xteam/restore/foreign
"""


@pytest.mark.item("BAK-01", "BAK-02", "TST-05")
def test_repository_of_another_cluster_is_refused(host, leader, deploys, estate, figures):
    """The deploy stops, and names both clusters and the ways on; kept aside, it makes room for backups of this one."""
    path = estate.backup.backup_path
    own = ask(leader, "select system_identifier from pg_control_system()")
    other = ""
    try:
        other = host.check_output(f"bash -c {shlex.quote(FOREIGN.replace('PATH', path))}").strip()
        assert host.run("systemctl start xteam-backup@repo1-verify.service").rc != 0, "it verifies another's backups"
        assert host.run("systemctl start xteam-backup@repo1-expire.service").rc != 0, "it expires another's backups"
        for options in ((), ("--dry",)):
            status, said = deploys("backup", *options)
            assert (status == 0) == bool(options), said
            assert own in said and f"begin_anew={other}" in said and "tasks/restore.py --data into=cluster" in said
        assert not host.file(f"{path}/backup/main/latest").exists, "the deploy went on"
        status, said = deploys("backup", begin_anew=own)
        assert status != 0, f"the running cluster's own backups can be kept aside: {said}"
        seconds = -time.monotonic()
        status, said = deploys("backup", begin_anew=other)
        assert status == 0, said
        figures["begin_anew_seconds"] = round(seconds + time.monotonic(), 1)
        assert host.file(f"{path}/aside/{other}/backup/main/backup.info").exists, "the other's backups are gone"
        assert host.file(f"{path}/backup/main/latest").exists, "there is no backup of the cluster that runs"
        host.check_output("systemctl start xteam-restore-drill@repo1.service")
    finally:
        host.run(OWN_AGAIN.replace("PATH", path))
        host.run(f"rm -rf {path}/aside/{other}") if other else None
        host.run("systemctl reset-failed 'xteam-backup@*'; systemctl start xteam-backup@check.service")
        # Closes the hole of what was archived beside meanwhile.
        host.check_output("systemctl start xteam-backup@repo1-diff.service")
        host.check_output("systemctl start xteam-backup@repo1-verify.service xteam-backup@repo1-expire.service")
