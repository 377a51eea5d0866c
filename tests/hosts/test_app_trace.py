"""One request through every tier: its id, made at the edge, is what joins their logs."""

# ruff: noqa: S608 - the names in these statements are the check's own

import json
import shlex

import pytest
from edge_client import Visitor

from checklist.run import not_applicable
from xteam_infra.layers.app.needs import API_UNIT

NAME = "xteam-check-trace"
# Ends by itself should this run die. The last statement of the task reads this table.
HOLD = "BEGIN; LOCK TABLE audit IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(30)"


@pytest.fixture
def sql(hosts, estate):
    """Ask PostgreSQL's leader as its own account: `sql(statement)`; `sql.leader`, `sql.command(statement)`."""

    def command(statement):
        database = estate.postgres.POSTGRES_DB
        return f"cd / && PGAPPNAME={NAME} runuser -u postgres -- psql -XAtq -d {database} -c {shlex.quote(statement)}"

    def ask(statement):
        return ask.leader.check_output(command(statement)).strip()

    recovery = command("SELECT pg_is_in_recovery()")
    ask.command = command
    ask.leader = next(one for one in hosts.group("postgres") if one.run(recovery).stdout.strip() == "f")
    return ask


@pytest.fixture
def audit_held(sql, eventually):
    """Nobody can read or write the audit until `audit_held()`, so that a statement that wants to stays to be seen."""
    mine = f"FROM pg_stat_activity WHERE application_name = '{NAME}'"
    leave = f"SELECT pg_terminate_backend(pid) {mine} AND pid <> pg_backend_pid()"
    sql.leader.check_output(f"( {sql.command(HOLD)} ) > /dev/null 2>&1 &")
    held = f"SELECT 1 {mine} AND wait_event = 'PgSleep'"
    eventually(lambda: sql(held) == "1", seconds=20)
    yield lambda: sql(leave)
    sql(leave)


@pytest.mark.group("app", first=True)
@pytest.mark.item("INF-10", "MON-06")
def test_request_id_is_logged_in_every_tier(hosts, estate, token, sql, audit_held, eventually):
    """Edge, API, worker, the worker's SQL, and the answer."""
    if not hosts.group("worker") or not hosts.group("edge"):
        not_applicable("no edge, or no worker: there is no such way through the estate")
    answer = Visitor(hosts.group("edge")[0], estate)("/tasks/cleanup_workspaces", "POST", token)
    assert answer.status == 202, f"no task can be sent: {answer.status} {answer.text}"
    name = answer.headers.get("x-request-id", "")
    assert len(name) == 36, f"the answer has no id of the edge: {answer.headers}"

    waits = f"SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%request_id={name} %'"
    statement = eventually(lambda: sql(waits), seconds=30, interval=0.5)
    assert "audit" in statement, f"the statement of the task: {statement}"
    audit_held()

    def logged(machines, units):
        look = f"journalctl --no-pager --quiet --since -5min --output cat {units} | grep -F {name}"
        return [json.loads(line) for one in machines for line in one.run(look).stdout.splitlines()]

    tiers = {
        "edge": (hosts.group("edge"), "--unit haproxy.service"),
        "API": (hosts.group("app"), f"--unit {API_UNIT}"),
        "worker": (hosts.group("worker"), "--unit 'xteam-worker@*'"),
    }
    for tier, where in tiers.items():
        lines = eventually(lambda where=where: logged(*where), seconds=20, interval=0.5)
        assert {line["request_id"] for line in lines} == {name}, f"the log of the {tier}: {lines}"
