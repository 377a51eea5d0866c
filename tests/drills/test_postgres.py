"""Drills on PostgreSQL: the leader is changed and lost while an application writes through its router.

They interrupt writes for seconds. The evidence in the report holds the figures.
"""

# ruff: noqa: S608 - the statements are made of this file's own words

import time
from itertools import pairwise
from pathlib import Path

import pytest

from checklist.run import not_applicable

pytestmark = pytest.mark.group("postgres", first=True)
WRITER = Path(__file__).with_name("postgres_writer.sh")
UNIT = "xteam-postgres-drill"
FILES = "/run/xteam-postgres-drill"
TABLE = "public.xteam_failover_drill"
PATRONI = "patroni@17-main.service"
# Measured 2 to 5 s; a loaded machine takes longer.
SWITCHOVER_SECONDS = 20


def sql(host, statement, database):
    return host.check_output(f'cd / && runuser -u postgres -- psql -XAtq -d {database} -c "{statement}"')


def members(host):
    """{name: what Patroni lists of it}"""
    return {one["Member"]: one for one in host.json("xteam-patronictl list -f json")}


def leader_of(host):
    return next((name for name, one in members(host).items() if one["Role"] == "Leader"), None)


class Writer:
    """An application on `host` that writes for `seconds`, in the background."""

    def __init__(self, host, estate, secret, seconds):
        self.host = host
        settings = estate.postgres
        self.stop()
        environment = {
            "PGHOST": estate.fqdn("pgbouncer"),
            "PGPORT": "6432",
            "PGUSER": settings.POSTGRES_USER,
            "PGDATABASE": settings.POSTGRES_DB,
            "PGPASSWORD": secret(settings.POSTGRES_PASSWORD.name),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": "/etc/xteam/pki/ca.crt",
            "PGCONNECT_TIMEOUT": "3",
            "TABLE": TABLE,
        }
        lines = "".join(f"{key}={value}\n" for key, value in environment.items())
        host.run_with_stdin(f"umask 077; cat > {FILES}.env", lines)
        host.run_with_stdin(f"cat > {FILES}.sh", WRITER.read_text())
        host.check_output(
            f"systemd-run -q --unit {UNIT} -p RemainAfterExit=yes -p EnvironmentFile={FILES}.env"
            f" -p StandardOutput=truncate:{FILES}.result bash {FILES}.sh {seconds}"
        )

    def result(self, eventually, seconds):
        """Acknowledged numbers and the longest time between two of them."""
        state = f"systemctl show -p SubState --value {UNIT}"
        eventually(lambda: self.host.run(f"{state}; true").stdout.strip() != "running", seconds=seconds, interval=1)
        try:
            lines = [line.split() for line in self.host.check_output(f"cat {FILES}.result").splitlines()]
        finally:
            self.stop()
        times = [float(moment) for _, moment in lines]
        gap = max((later - sooner for sooner, later in pairwise(times)), default=0.0)
        return {int(number) for number, _ in lines}, round(gap, 1)

    def stop(self):
        self.host.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*; true")


@pytest.fixture
def writer(host, hosts, estate, secret, eventually):
    """Start an application that writes; afterwards its table is gone and all members stream again."""
    if len(hosts.group("postgres")) < 2:
        not_applicable("one PostgreSQL host: nobody to hand over to")
    clients = [one for one in hosts if {"app", "worker"} & set(one.machine.groups)]
    if not clients:
        not_applicable("no host of the application in the inventory")
    database = estate.postgres.POSTGRES_DB
    make = f"DROP TABLE IF EXISTS {TABLE}; SET ROLE migrator; CREATE TABLE {TABLE} (number integer PRIMARY KEY)"
    sql(hosts[leader_of(host)], make, database)
    yield lambda seconds: Writer(clients[0], estate, secret, seconds)
    eventually(lambda: _whole(host), seconds=180, interval=2)
    sql(hosts[leader_of(host)], f"DROP TABLE IF EXISTS {TABLE}", database)


def _whole(host):
    states = {name: (one["Role"], one["State"]) for name, one in members(host).items()}
    followers = [state for role, state in states.values() if role != "Leader"]
    assert leader_of(host) and all(state == "streaming" for state in followers), f"not whole: {states}"
    assert "Sync Standby" in [role for role, _ in states.values()], f"no synchronous replica: {states}"
    return True


def _lost(host, hosts, estate, acknowledged):
    kept = sql(hosts[leader_of(host)], f"SELECT number FROM {TABLE}", estate.postgres.POSTGRES_DB).split()
    return acknowledged - {int(number) for number in kept}


@pytest.mark.item("DB-05", "TST-06")
def test_the_leader_hands_over(host, hosts, estate, writer, eventually):
    """Planned: seconds without writes are few, nothing acknowledged is lost."""
    application = writer(SWITCHOVER_SECONDS + 15)
    time.sleep(4)
    old = leader_of(host)
    host.check_output(f"XTEAM_TIMEOUT=60 xteam-patronictl switchover --leader {old} --force")
    eventually(lambda: leader_of(host) not in (None, old), seconds=30, interval=0.5)
    acknowledged, gap = application.result(eventually, seconds=90)
    assert len(acknowledged) > 10, f"only {len(acknowledged)} writes: the drill shows nothing"
    assert not (lost := _lost(host, hosts, estate, acknowledged)), f"{len(lost)} acknowledged writes are lost"
    assert gap <= SWITCHOVER_SECONDS, f"{gap} s without writes"
    host.run(f"echo {len(acknowledged)} writes acknowledged, 0 lost, {gap} s without writes in a planned switchover")


@pytest.mark.item("DB-05", "TST-06")
def test_a_silent_leader_is_replaced(host, hosts, estate, writer, eventually):
    """The leader stops answering, as if its host had gone: another takes over, nothing acknowledged is lost."""
    timing = estate.postgres.timing
    limit = timing.ttl + 2 * timing.loop_wait + 10
    application = writer(limit + 20)
    time.sleep(4)
    old = leader_of(host)
    witness = next(one for one in hosts.group("postgres") if one.name != old)
    hosts[old].check_output(f"systemctl kill --signal STOP --kill-whom all {PATRONI}")
    try:
        eventually(lambda: leader_of(witness) not in (None, old), seconds=limit + 10, interval=1)
    finally:
        hosts[old].check_output(f"systemctl kill --signal CONT --kill-whom all {PATRONI}")
    acknowledged, gap = application.result(eventually, seconds=limit + 90)
    eventually(lambda: _whole(witness), seconds=180, interval=2)
    assert len(acknowledged) > 10, f"only {len(acknowledged)} writes: the drill shows nothing"
    assert not (lost := _lost(host, hosts, estate, acknowledged)), f"{len(lost)} acknowledged writes are lost"
    assert gap <= limit, f"{gap} s without writes"
    host.run(f"echo {len(acknowledged)} writes acknowledged, 0 lost, {gap} s without writes after a silent leader")
