"""Drills on PostgreSQL: the leader is changed, lost and cut off while an application writes.

They interrupt writes for seconds. The figures stand in the dated result of each drill; bench/failover.py repeats them.
"""

import random
import time

import pytest

from checklist.run import not_applicable
from tests.drills.harness.cluster import PATIENCE
from tests.drills.harness.write_probe import WriteProbe, handovers, overlaps
from tests.drills.harness.writers import COLUMNS, postgres_orders
from tests.haproxy import servers_up
from xteam_infra.distribution import DISTRIBUTION

pytestmark = pytest.mark.group("postgres", first=True)
TABLE = "public.xteam_drill"
ASKED = "public.xteam_drill_asked"
PATRONI = DISTRIBUTION.postgres_unit


@pytest.fixture
def application(cluster, client, estate, secret, write, faults, eventually):
    """An application that writes through its router."""
    with cluster.table(TABLE, COLUMNS):
        yield write(client, postgres_orders(estate, secret, TABLE, "router"))
        faults.undo()
        eventually(cluster.whole, seconds=PATIENCE, interval=1)


@pytest.fixture
def judge(application, cluster, figures, eventually):
    """The end of a drill: all members are back, and nothing that was acknowledged is lost."""

    def end(since):
        application.goes_on(eventually, seconds=PATIENCE)
        eventually(cluster.whole, seconds=PATIENCE, interval=0.5)
        figures["whole_again_seconds"] = round(time.time() - since, 1)
        result = application.result(eventually)
        figures.update(result.figures())
        assert result.acknowledged > 50, f"only {result.acknowledged} writes: the drill shows nothing"
        assert result.lost == 0, f"{result.lost} of {result.acknowledged} acknowledged writes are lost"
        return result

    return end


def replaced(cluster, old, eventually):
    """Wait until another member leads; its name."""
    return eventually(lambda: cluster.leader(without=(old,)), seconds=PATIENCE, interval=0.5)


@pytest.mark.item("DB-05", "TST-06")
def test_postgres_switchover_loses_no_write(cluster, application, judge):
    """Planned, by the command an operator types."""
    old, began = cluster.leader(), time.time()
    cluster.hosts[old].check_output(f"XTEAM_TIMEOUT=120 xteam-patronictl switchover --leader {old} --force")
    judge(began)
    assert cluster.leader() != old, f"{old} still leads"


@pytest.mark.item("DB-05", "TST-06")
def test_hung_postgres_leader_is_replaced(cluster, application, judge, faults, eventually):
    """Patroni and the server stand still, as if they hung; on any inventory."""
    old = cluster.leader()
    faults.freeze(old, PATRONI)
    began = time.time()
    replaced(cluster, old, eventually)
    faults.thaw(old, PATRONI)
    judge(began)


@pytest.mark.item("DB-05", "TST-06")
@pytest.mark.parametrize("etcd", ["another host leads etcd", "the same host leads etcd"])
def test_power_loss_of_postgres_leader_fails_over(cluster, application, judge, faults, figures, eventually, etcd):
    """The host is gone without a word. With etcd's leader on it, every lease gets a full life again first."""
    old, deciding = cluster.leader(), cluster.etcd_leader()
    if (deciding == old) != etcd.startswith("the same"):
        heirs = [host.name for host in cluster.hosts.group("etcd") if (host.name == old) == etcd.startswith("the same")]
        if not heirs:
            not_applicable("etcd's members are elsewhere")
        cluster.move_etcd_leader(deciding, random.choice(heirs))  # noqa: S311 - any will do
    began = faults.kill(old)
    replaced(cluster, old, eventually)
    faults.start(old)
    judge(began)
    assert cluster.leader() != old


@pytest.mark.item("DB-05", "TST-06")
def test_partitioned_postgres_leader_is_fenced_and_replaced(
    cluster, application, judge, faults, figures, estate, eventually
):
    """The old leader lives on behind a cut cable: it must have stepped down before the next one takes writes."""
    old = cluster.leader()
    with cluster.table(ASKED, "moment timestamptz DEFAULT clock_timestamp()"):
        probes = [WriteProbe(host, estate.postgres.POSTGRES_DB, ASKED) for host in cluster.members]
        try:
            eventually(lambda: any(probe.seen().writes for probe in probes), seconds=30)
            began = faults.cut(old)
            new = replaced(cluster, old, eventually)
            application.goes_on(eventually, seconds=PATIENCE)
            faults.heal(old)
            judge(began)
            seen = [probe.seen() for probe in probes]
        finally:
            for probe in probes:
                probe.remove()
    assert not (both := overlaps(seen)), f"two leaders took writes: {both[:3]}"
    stretches = handovers(seen)
    assert [name for name, _, _ in stretches] == [old, new], f"who took writes, in turn: {stretches}"
    figures["old_leader_refused_after_seconds"] = round(stretches[0][2] - began, 1)
    figures["new_leader_wrote_after_seconds"] = round(stretches[1][1] - began, 1)


@pytest.mark.item("DB-05", "TST-06")
def test_postgres_serves_without_etcd_quorum(cluster, application, judge, faults, figures, eventually):
    """Most etcd members are gone for 30 seconds; the leader goes on, for every member says that it follows."""
    members = [host.name for host in cluster.hosts.group("etcd")]
    if len(members) < 3:
        not_applicable("one etcd host: no quorum to lose")
    old = cluster.leader()
    gone = [name for name in members if name != old][: len(members) // 2 + 1]
    for name in gone:
        faults.stop(name, "etcd.service")
    began = time.time()
    time.sleep(30)
    leads = cluster.leader()
    for name in gone:
        faults.start_unit(name, "etcd.service")
    judge(began)
    assert leads == old == cluster.leader(), f"{old} led before, {leads} while etcd was gone, now {cluster.leader()}"


@pytest.mark.item("DB-06")
def test_lagging_replica_gets_no_reads(cluster, hosts, estate, faults, figures, eventually):
    """It stands still while more is written than `postgres_replica_lag_max_mb`; then it catches up and serves again."""
    routers = [one for one in hosts if {"app", "worker"} & set(one.machine.groups)]
    if len(cluster.members) < 3 or not routers:
        not_applicable("no second replica to read from, or no host of the application")
    leader = cluster.leader()
    late, other = [host for host in cluster.members if host.name != leader]
    megabytes = 2 * estate.postgres.postgres_replica_lag_max_mb
    emit = "SELECT count(pg_logical_emit_message(false, 'drill', repeat('x', 1000000))) FROM generate_series(1, "

    def serving():
        return set(servers_up(routers[0])["postgres-replicas"])

    eventually(lambda: serving() == {late.name, other.name}, seconds=PATIENCE, interval=1)
    # Not by pg_wal_replay_pause: Patroni ends such a pause by itself.
    replay = cluster.sql(late, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'")
    let_go = faults.hold(late.name, int(replay))
    cluster.sql(hosts[leader], f"{emit}{megabytes})")
    began = time.time()
    eventually(lambda: serving() == {other.name}, seconds=PATIENCE, interval=0.5)
    figures["left_out_after_seconds"] = round(time.time() - began, 1)
    let_go()
    began = time.time()
    eventually(lambda: serving() == {late.name, other.name}, seconds=PATIENCE, interval=0.5)
    figures["serves_again_after_seconds"] = round(time.time() - began, 1)
