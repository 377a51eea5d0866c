"""Drill on a newer minor version of PostgreSQL, member by member, while an application writes."""

from pathlib import Path

import pytest

from checklist.rerun import planned
from tests.drills.harness.cluster import PATIENCE
from tests.drills.harness.controller import pyinfra
from tests.drills.harness.writers import COLUMNS, postgres_orders
from xteam_infra.distribution import DISTRIBUTION

pytestmark = pytest.mark.group("postgres", first=True)
TABLE = "public.xteam_drill"
UPDATE = Path("tasks/update_postgres.py")
NEWER = Path(__file__).parent / "harness" / "newer.sh"
OFFER, SOURCE = "/var/lib/xteam-drill-packages", "/etc/apt/sources.list.d/xteam-drill.list"
PATRONI = DISTRIBUTION.postgres_unit
PACKAGE = DISTRIBUTION.postgres_server
VERSION = f"dpkg-query -W -f '${{Version}}' {PACKAGE}"
# The processes of the member whose program is not the file that is there now.
OUTDATED = (
    f"for p in $(cat /sys/fs/cgroup$(systemctl show -p ControlGroup --value {PATRONI})/cgroup.procs); do"
    " readlink /proc/$p/exe; done | grep -c deleted; true"
)


@pytest.fixture
def application(cluster, client, estate, secret, write):
    """An application that writes through its router."""
    with cluster.table(TABLE, COLUMNS):
        yield write(client, postgres_orders(estate, secret, TABLE, "router"))


def put_back(host, version):
    """As unattended-upgrades would exchange the files: with a member that goes on running the old ones."""
    guard = "/usr/sbin/policy-rc.d"
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades --no-install-recommends install"
    host.check_output(
        f"printf '#!/bin/sh\\nexit 101\\n' > {guard}; chmod 755 {guard}; trap 'rm -f {guard}' EXIT;"
        f" {apt} {PACKAGE}={version}"
    )


@pytest.fixture
def newer(cluster):
    """A newer package on offer to every member: (version installed, version on offer). Put back afterwards."""
    said = {
        host.name: host.run_with_stdin(f"bash -s {OFFER} {SOURCE} {PACKAGE}", NEWER.read_text())
        for host in cluster.members
    }
    assert all(one.rc == 0 for one in said.values()), {name: one.stderr[-300:] for name, one in said.items()}
    old, new = said[cluster.members[0].name].stdout.split()
    yield old, new
    for host in cluster.members:
        if host.check_output(VERSION) != old:
            put_back(host, old)
        host.check_output(f"rm -rf {OFFER} {SOURCE}; apt-get -q update")


@pytest.fixture
def update(pytestconfig):
    """Carry out the update; what the run printed."""

    def run(succeeds=True):
        rc, said = pyinfra(pytestconfig.getoption("inventory"), str(UPDATE))
        assert (rc == 0) == succeeds, f"the update ended with {rc}: {said[-1500:]}"
        return said

    return run


@pytest.mark.item("DB-01", "DB-05", kind="drill")
def test_rolling_minor_update_loses_no_write(cluster, application, newer, update, eventually, figures, pytestconfig):
    """Replicas first, one handover, the old leader last; then the files are exchanged without a restart, and again."""
    old, new = newer
    assert new != old, "apt does not offer the newer package"
    led, timeline = cluster.leader(), _timeline(cluster)
    update()
    assert [host.check_output(VERSION) for host in cluster.members] == [new] * len(cluster.members)
    assert not any(_outdated(cluster)), "a member runs what was replaced"
    assert cluster.leader() != led and _timeline(cluster) == timeline + 1, "not exactly one handover"
    inventory = pytestconfig.getoption("inventory")
    assert not planned(inventory, UPDATE, ""), "a second run finds something to do"
    application.goes_on(eventually, PATIENCE)
    for host in cluster.members:
        put_back(host, old)
    assert all(_outdated(cluster)), "the members do not run what was replaced: nothing is shown"
    update()
    assert not any(_outdated(cluster)) and _timeline(cluster) == timeline + 2
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    result = application.result(eventually)
    figures.update(result.figures())
    assert result.acknowledged > 50, f"only {result.acknowledged} writes: the drill shows nothing"
    assert result.lost == 0, f"{result.lost} of {result.acknowledged} acknowledged writes are lost"


@pytest.mark.item("DB-01", kind="drill")
def test_update_of_unhealthy_cluster_is_refused(cluster, newer, update, faults):
    """With one replica down the run refuses before it changes anything."""
    led, old = cluster.leader(), newer[0]
    lost = next(host for host in cluster.members if host.name != led)
    faults.stop(lost.name, PATRONI)
    said = update(succeeds=False)
    assert "no host was changed" in said and f"{lost.name} down" in said, said[-800:]
    assert [host.check_output(VERSION) for host in cluster.members] == [old] * len(cluster.members)
    assert cluster.leader() == led


def _timeline(cluster):
    (timeline,) = {one["timeline"] for one in cluster.states().values()}
    return timeline


def _outdated(cluster):
    """For each member, how many of its processes run a program that was replaced."""
    return [int(host.run(OUTDATED).stdout) for host in cluster.members]
