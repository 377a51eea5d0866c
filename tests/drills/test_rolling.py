"""A setting that needs restarts, changed under a write load: the members restart one by one, and nothing is lost."""

from pathlib import Path

import pytest

from checklist.rerun import deploy, planned
from tests.drills.harness.cluster import PATIENCE
from tests.drills.harness.writers import COLUMNS, postgres_orders

pytestmark = pytest.mark.group("postgres", first=True)
TABLE = "public.xteam_drill_rolling"
DEPLOY = Path("deploys/postgres.py")
SHARED = "Set PostgreSQL's shared parameters and access rules (Patroni's dynamic configuration)"
MORE = 20


@pytest.fixture
def inventory(pytestconfig):
    return pytestconfig.getoption("inventory")


def started(cluster):
    """{member: when its server started}"""
    since = "SELECT extract(epoch FROM pg_postmaster_start_time())"
    return {host.name: float(cluster.sql(host, since)) for host in cluster.members}


def connections(cluster):
    return {int(cluster.sql(host, "SHOW max_connections")) for host in cluster.members}


@pytest.mark.item("DB-05")
def test_parameter_change_restarts_members_one_by_one(
    cluster, client, estate, secret, inventory, write, figures, eventually
):
    """Raised: replicas first, then a handover, the old leader last. Lowered again: the leader first."""
    declared = estate.postgres.postgres_max_connections
    old, before = cluster.leader(), started(cluster)
    with cluster.table(TABLE, COLUMNS):
        application = write(client, postgres_orders(estate, secret, TABLE, "router"))
        try:
            assert SHARED in planned(inventory, DEPLOY, "", postgres_max_connections=declared + MORE)
            deploy(inventory, DEPLOY, "", postgres_max_connections=declared + MORE)
            eventually(cluster.whole, seconds=PATIENCE, interval=1)
            raised, new = started(cluster), cluster.leader()
            assert connections(cluster) == {declared + MORE}
            assert all(raised[name] > before[name] for name in before), f"not all restarted: {before}, {raised}"
            assert new != old, f"{old} restarted as the leader, and nobody took over meanwhile"
            assert raised[old] == max(raised.values()), f"{old} led, and was not the last to restart: {raised}"
            application.goes_on(eventually, seconds=PATIENCE)
        finally:
            deploy(inventory, DEPLOY, "")
        eventually(cluster.whole, seconds=PATIENCE, interval=1)
        lowered, leads = started(cluster), cluster.leader()
        assert connections(cluster) == {declared}
        assert leads == new and lowered[new] == min(lowered.values()), f"{new} led, and was not the first: {lowered}"
        assert planned(inventory, DEPLOY, "") == [], "a second run would change something"
        application.goes_on(eventually, seconds=PATIENCE)
        result = application.result(eventually)
    figures.update(result.figures())
    assert result.lost == 0, f"acknowledged writes are lost: {result}"
