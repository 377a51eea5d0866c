"""The monthly report on PostgreSQL: that it is due, that the last one is recent, and what is in it."""

import secrets
from shlex import quote

import pytest

from xteam_infra.plan.needs import METRICS_DIRECTORY

UNIT = "xteam-postgres-report"
METRIC = "xteam_postgres_report_success_timestamp_seconds"
DIRECTORY = "/var/lib/xteam-reports/postgres"
# Read from end to end 60 times, half of it dead, an index that nobody uses, and a foreign key without one.
NEGLECTED = """
CREATE SCHEMA NAME;
CREATE TABLE NAME.parent (id int PRIMARY KEY);
CREATE TABLE NAME.child (id int PRIMARY KEY, parent int REFERENCES NAME.parent, note text);
CREATE INDEX unused ON NAME.child (note);
INSERT INTO NAME.child SELECT n, NULL, repeat('x', 100) || n FROM generate_series(1, 20000) n;
DO $$ BEGIN FOR i IN 1..60 LOOP PERFORM count(*) FROM NAME.child WHERE parent IS NOT NULL; END LOOP; END $$;
DELETE FROM NAME.child WHERE id % 2 = 0;
"""
pytestmark = pytest.mark.group("postgres", first=True)


@pytest.fixture
def keeper(hosts, estate):
    """The host that makes and keeps the reports."""
    return next(hosts[one.name] for group in ("metrics", "logs", "postgres") for one in estate.members(group))


@pytest.fixture
def neglected(hosts, estate, eventually):
    """A schema with a table as nobody should leave one, for the time of the check; its name."""
    schema = f"verify_report_{secrets.token_hex(4)}"
    psql = f"cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {estate.postgres.POSTGRES_DB} -c "
    members = hosts.group("postgres")
    leader = next(one for one in members if _leads(one, psql))
    leader.check_output(psql + quote(NEGLECTED.replace("NAME", schema)))
    there = psql + quote(f"SELECT to_regclass('{schema}.child')")
    try:
        for one in members:  # the report asks each, and a replica may still have to replay it
            eventually(lambda one=one: one.check_output(there), seconds=60, interval=0.5)
        yield schema
    finally:
        leader.check_output(psql + quote(f"DROP SCHEMA {schema} CASCADE"))


def _leads(host, psql):
    return host.check_output(psql + quote("SELECT pg_is_in_recovery()")) == "f"


@pytest.mark.item("OPS-03")
def test_the_monthly_report_is_due_and_the_last_one_recent(keeper):
    """A timer of at most a month's step waits for its time, and what it made last is no older than a month."""
    state = keeper.check_output(f"systemctl show -p ActiveState -p UnitFileState --value {UNIT}.timer").split()
    assert state == ["active", "enabled"], f"the report's timer is {' and '.join(state)}"
    due = 'date -d "$(systemctl show -p NextElapseUSecRealtime --value %s.timer)" +%%s'
    days = (int(keeper.check_output(due % UNIT)) - int(keeper.check_output("date +%s"))) / 86400
    assert days < 32, f"the next report is due in {days:.0f} days"
    recent = keeper.run(f"find {DIRECTORY}/latest.html -mtime -35 -size +1k -perm 640 -user xteam-report")
    assert recent.stdout.strip(), "the last report is missing, empty, older than 35 days or open to others"


@pytest.mark.item("OPS-03", "PERF-02", "PERF-03")
def test_a_report_made_now_has_heard_every_member(keeper, estate):
    """Made on demand, it has each member, and each of its subjects."""
    made = keeper.run(f"systemctl start {UNIT}.service")
    said = keeper.run(f"journalctl -u {UNIT} -n 5 -o cat --no-pager").stdout[-300:]
    assert made.rc == 0, f"no report can be made: {said}"
    text = keeper.check_output(f"cat {DIRECTORY}/latest.html")
    for member in estate.members("postgres"):
        assert f">{member.name}<" in text, f"{member.name} is not in the report"
    for title in ("most time", "nobody uses", "may be missing", "dead or free space", "drifted"):
        assert title in text, f"the report has nothing on: {title}"
    figure = f"runuser -u nobody -- awk '/^{METRIC} /{{print $2}}' {METRICS_DIRECTORY}/{UNIT}.prom"
    age = int(keeper.check_output("date +%s")) - int(keeper.run(figure).stdout or 0)
    assert age < 120, "the metrics do not say that a report was made just now"


@pytest.mark.item("PERF-02", "PERF-03")
def test_the_report_names_a_neglected_table(keeper, neglected):
    """It is read too often, half dead, has an index too many and lacks another: the next report says each."""
    made = keeper.run(f"systemctl start {UNIT}.service")
    assert made.rc == 0, "no report can be made"
    rows = keeper.check_output(f"cat {DIRECTORY}/latest.html").split("<tr>")
    about = [row for row in rows if neglected in row]
    for said in ("unused<td", "from end to end", "foreign key", " %<td"):
        assert any(said in row for row in about), f"the report does not say: {said}"
