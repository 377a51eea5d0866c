"""The runbooks of PostgreSQL and etcd, carried out in the situations they are for."""

import pytest

from checklist.run import not_applicable
from tests.drills.harness.cluster import Cluster
from xteam_infra.distribution import DISTRIBUTION

pytestmark = pytest.mark.group("postgres", first=True)
PATIENCE = 240
ETCD = "etcd.service"


@pytest.fixture
def cluster(host, hosts, estate, eventually):
    """A cluster of three, whole before and after."""
    if len(hosts.group("postgres")) < 3 or len(hosts.group("etcd")) < 3:
        not_applicable("fewer than three hosts of PostgreSQL and etcd")
    found = Cluster(hosts, estate)
    eventually(found.whole, seconds=PATIENCE, interval=1)
    yield found
    eventually(found.whole, seconds=PATIENCE, interval=1)


def others(cluster, *names):
    return [host for host in cluster.members if host.name not in names]


@pytest.mark.item("DB-05", "TST-06")
def test_failover(cluster, runbook, faults, eventually):
    """Look, hand over, lose the leader's host, take one by hand, make one anew."""
    book = runbook("failover")
    old = cluster.leader()
    assert "Sync Standby" in book.run("look", cluster.members[0])
    assert "Hand over" in book.run("switchover")
    assert cluster.leader() != old
    heir = next(name for name, one in cluster.states().items() if one.get("sync_standby"))
    book.run("switchover-to", NAME=heir)
    assert cluster.leader() == heir
    faults.kill(heir)
    new = eventually(lambda: cluster.leader(without=(heir,)), seconds=PATIENCE, interval=1)
    assert new in book.run("history", cluster.hosts[new])
    faults.start(heir)
    book.run("why", cluster.hosts[heir])
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    cluster.hosts[new].check_output("xteam-patronictl pause --wait")
    book.run("resume", cluster.hosts[new])
    heir = next(name for name, one in cluster.states().items() if one.get("sync_standby"))
    book.run("force", cluster.hosts[new], NAME=heir)
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    assert cluster.leader() == heir
    last = others(cluster, heir)[0]
    book.run("reinit", cluster.hosts[heir], NAME=last.name)


@pytest.mark.item("DB-05", "TST-06")
def test_lost_quorum(cluster, runbook, faults, eventually):
    """Most members stop and come back; then most are burnt down."""
    book = runbook("lost-quorum")
    leader = cluster.hosts[cluster.leader()]
    gone = [host for host in cluster.hosts.group("etcd") if host.name != leader.name][:2]
    for host in gone:
        faults.stop(host.name, ETCD)
    assert "unhealthy" in book.run("health", leader)
    book.run("why", gone[0])
    for host in gone:
        book.run("start", host)
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    assert "Leader" in book.run("look", leader)
    faults.kill(*(host.name for host in gone))
    faults.replace(*(host.name for host in gone))
    assert "started" in book.run("only-one", leader)
    book.run("deploy")


@pytest.mark.item("DB-05", "TST-06")
def test_add_a_replica(cluster, runbook, faults, eventually):
    """A member burns down, and a bare host takes its place; then the leadership goes to it."""
    book = runbook("add-a-replica")
    lost = others(cluster, cluster.leader())[0].name
    faults.replace(lost)
    book.run("deploy")
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    assert lost in book.run("look", cluster.members[0])
    heir = next(name for name, one in cluster.states().items() if one.get("sync_standby"))
    book.run("hand-over", NAME=heir)


def alone(cluster):
    """Whether commits wait for no replica."""
    return not any(one.get("sync_standby") for one in cluster.states().values())


def nearest(host):
    """The replica that has the most of the log, as the list of the members says."""
    lags = {one["Member"]: one.get("Lag in MB", "unknown") for one in host.json("xteam-patronictl list -f json")}
    return min((name for name, lag in lags.items() if isinstance(lag, int)), key=lambda name: lags[name])


@pytest.mark.item("DB-05", "TST-06")
def test_disk_full(cluster, runbook, faults, eventually):
    """The leader's volume has no byte left: it dies, another is taken, and it comes back when there is room."""
    book = runbook("disk-full")
    full = cluster.hosts[cluster.leader()]
    directory = DISTRIBUTION.postgres_home
    faults.fill(full.name, directory, "postgres")
    # Until its log needs a file that it can't make.
    emit = "SELECT count(pg_logical_emit_message(false, 'drill', repeat('x', 1000000))) FROM generate_series(1, 1000)"
    died = full.run(f'cd / && timeout 120 runuser -u postgres -- psql -XAtq -c "{emit}"')
    assert died.rc != 0, "there was room for a gigabyte of log: the drill shows nothing"
    assert "100%" in book.run("look", full)
    # Patroni starts it again and again, without a replica; from then on nobody may take over by himself.
    eventually(lambda: cluster.leader(without=(full.name,)) or alone(cluster), seconds=PATIENCE, interval=0.5)
    book.run("stop", full)
    heir = cluster.hosts[nearest(others(cluster, full.name)[0])]
    book.run("take", heir, NAME=heir.name)
    eventually(lambda: cluster.leader(without=(full.name,)) == heir.name, seconds=PATIENCE, interval=1)
    assert "last_archived_time" in book.run("archive", heir)
    assert "size" in book.run("largest", heir)
    book.run("room", full)
    faults.empty(full.name, directory)
    assert "Leader" in book.run("start", full)
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    assert cluster.leader() == heir.name
