"""Members of PostgreSQL and etcd come and go by the inventory alone, while an application writes."""

from pathlib import Path

import pytest

from checklist.run import not_applicable
from tests.drills.harness.cluster import PATIENCE
from tests.drills.harness.controller import pyinfra
from tests.drills.harness.writers import COLUMNS, postgres_orders
from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.layers import GROUPS

pytestmark = pytest.mark.group("postgres", first=True)
TABLE = "public.xteam_drill_members"
# The lab's inventory with some members taken out; its name decides whose group data it gets.
SMALLER = Path("build/drills/smaller/lab.py")


def smaller(stays="", **kept):
    """Write the inventory in which these groups have these hosts alone; a host that stays is there for `metrics`."""
    lines = [f"from inventories.lab import {', '.join(GROUPS)}"]
    lines.append(f"metrics = [one for one in postgres if one[0] == {stays!r}]")
    lines += [f"{group} = [one for one in {group} if one[0] in {names!r}]" for group, names in kept.items()]
    SMALLER.parent.mkdir(parents=True, exist_ok=True)
    SMALLER.write_text("\n".join(lines) + "\n")
    return str(SMALLER)


def deploy(inventory):
    return pyinfra(inventory, "deploys/etcd.py", "deploys/postgres.py")


def etcd_members(host):
    return {one.get("name") for one in host.json("xteam-etcdctl member list -w json")["members"]}


def patroni_members(host):
    return {one["Member"] for one in host.json("xteam-patronictl list -f json")}


@pytest.mark.item("DB-05")
def test_postgres_and_etcd_members_leave_and_rejoin(
    cluster, client, pytestconfig, hosts, estate, secret, write, faults, figures, eventually
):
    """Three of each become two of PostgreSQL and one of etcd, and three again; the leader itself can't be left out."""
    names = {host.name for host in cluster.members}
    if len(names) < 3 or {host.name for host in hosts.group("etcd")} != names:
        not_applicable("not three hosts of both PostgreSQL and etcd")
    assert faults.lab, "only a lab's inventory is changed"
    leader = cluster.leader()
    leaves = next(name for name in sorted(names) if name != leader)
    status, said = deploy(smaller(postgres=sorted(names - {leader})))
    assert status != 0 and f"{leader} leads, and is not among them" in said and "no host was changed" in said, said
    with cluster.table(TABLE, COLUMNS):
        application = write(client, postgres_orders(estate, secret, TABLE, "members"))
        try:
            status, said = deploy(smaller(leaves, postgres=sorted(names - {leaves}), etcd=[leader]))
            assert status == 0, said[-3000:]
            assert etcd_members(hosts[leader]) == {leader}
            # What a member says of itself in etcd is kept for its `ttl` after it has gone.
            eventually(lambda: patroni_members(hosts[leader]) == names - {leaves}, seconds=PATIENCE, interval=1)
            for unit in (DISTRIBUTION.postgres_unit, "etcd.service"):
                assert not hosts[leaves].service(unit).is_running, f"{unit} still runs on {leaves}"
            application.goes_on(eventually, seconds=PATIENCE)
        finally:
            status, said = deploy(pytestconfig.getoption("inventory"))
        assert status == 0, said[-3000:]
        eventually(cluster.whole, seconds=PATIENCE, interval=1)
        assert etcd_members(hosts[leader]) == names
        result = application.result(eventually)
    figures.update(result.figures())
    assert result.lost == 0, f"acknowledged writes are lost: {result}"
