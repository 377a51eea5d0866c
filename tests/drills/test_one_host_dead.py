"""One host of each group without power: every deploy and every verb goes on with the others, and it catches up."""

from pathlib import Path

import pytest

from checklist.rerun import planned
from checklist.run import not_applicable
from tests.drills.harness.cluster import PATIENCE, Cluster
from tests.drills.harness.redis import masters
from tests.drills.harness.releases import serving
from xteam_infra.layers.app.releases import record_file
from xteam_infra.release.record import read

# Down together: one host of each of these groups, so that every group is once among them.
TOGETHER = (("edge", "app", "worker", "postgres", "etcd", "redis", "logs"), ("backup",))
ALL = Path("deploys/all.py")
RESTORED = "sessions"
BACKUP = "xteam-backup@repo1-diff.service"


def changed(estate):
    """Another value of a setting of each layer; some need a restart of every member, or another instance of the API."""
    return {
        "journal_retention_days": estate.base.journal_retention_days - 1,
        "etcd_quota_mb": estate.etcd.etcd_quota_mb + 64,
        "postgres_max_wal_mb": 448 if estate.postgres.postgres_max_wal_mb == 512 else 512,
        "postgres_max_connections": estate.postgres.postgres_max_connections + 10,
        "backup_compress_level": estate.backup.backup_compress_level - 1,
        "redis_down_after_ms": estate.redis.redis_down_after_ms + 500,
        "router_connections": estate.router.router_connections + 8,
        "api_websocket_idle_seconds": estate.app.api_websocket_idle_seconds - 1,
        "celery_max_tasks_per_child": estate.celery.celery_max_tasks_per_child + 1,
        "files_backup_seconds": estate.files.files_backup_seconds + 60,
        "edge_retry_after_seconds": estate.edge.edge_retry_after_seconds + 1,
        "logs_retention_days": estate.logs.logs_retention_days - 1,
    }


class Without:
    """Deploys while hosts are down, which every one of them says at its end."""

    def __init__(self, deploys, hosts, victims, data):
        self.deploys, self.hosts, self.victims, self.data = deploys, hosts, victims, data
        self.exclude = [word for name in victims for word in ("--exclude", name)]
        self.done: list[str] = []

    def up(self, group):
        """The hosts of a group that are not down."""
        return [one for one in self.hosts.group(group) if one.name not in self.victims]

    def __call__(self, name, **data):
        """It must succeed; what it said."""
        status, said = self.deploys(name, *self.exclude, **{**self.data, **data})
        assert status == 0, f"{name} without {self.victims} failed: {said[-3000:]}"
        assert "took no part" in said and all(one in said.rpartition("took no part")[0] for one in self.victims), (
            f"{name} does not say what it left undone: {said[-500:]}"
        )
        self.done.append(name)
        return said

    def refused(self, reason, name, **data):
        """It must end before it changes anything, and say why."""
        status, said = self.deploys(name, *self.exclude, **{**self.data, **data})
        assert status != 0 and reason in said, f"{name} without {self.victims}: {said[-1500:]}"
        self.done.append(f"{name} (refused)")

    def verbs(self, estate, versions):
        """Every verb that the estate has the hosts for."""
        if len(self.up("postgres")) > 1:
            self("switchover")
            self("update_postgres")
        self("rotate_secret", secret=estate.postgres.POSTGRES_PASSWORD.name)
        self.backups(estate)
        self.releases(estate, versions)
        self("dead_letters")
        if self.up("edge"):
            self("edge", edge_maintenance="closed")
            self("edge")
        self("unlock")

    def backups(self, estate):
        """What needs the backup host: a restore of a role, a backup of the database now."""
        restore = {"redis_restore_role": RESTORED, "redis_restore_confirm": f"replace {RESTORED}"}
        if not self.up("backup"):
            self.refused("the host that keeps the snapshots", "restore_redis", **restore)
            return
        keeper = self.up("backup")[0]
        keeper.check_output(f"xteam-redis-backup take {RESTORED}", timeout=300)
        self("restore_redis", **restore)
        keeper.check_output(f"systemctl start {BACKUP}", timeout=900)
        self.done.append("a backup now")

    def releases(self, estate, versions):
        """There and back; a second one is refused when a host of the application would have missed both."""
        said = self("release", version=versions.good())
        self("rollback")
        if any({"app", "worker"} & set(estate.machine(name).groups) for name in self.victims):
            assert "has the release from before this release" in said, f"not what serves then: {said[-500:]}"
            self("release", version=versions.good())
            self.refused("missed a release already", "release", version=versions.good())


def services_go_on(hosts, estate, victims, eventually):
    """Somebody leads PostgreSQL and every role of Redis, and it is no host that is down."""
    if len(hosts.group("postgres")) > 1:
        cluster = Cluster(hosts, estate)
        eventually(lambda: cluster.leader(victims), seconds=PATIENCE, interval=1)
    if asked := [one for one in hosts.group("redis") if one.name not in victims]:
        eventually(
            lambda: not set(victims) & set(masters(asked[0], hosts, estate).values()), seconds=PATIENCE, interval=1
        )


@pytest.mark.item("DB-05", "RED-05", kind="drill")
@pytest.mark.parametrize("groups", TOGETHER, ids="-".join)
def test_one_host_dead(groups, hosts, estate, versions, home, faults, deploys, eventually, pytestconfig, figures):
    """The first host of each group: the one that does what is done once, and leads."""
    victims = tuple(dict.fromkeys(hosts.group(group)[0].name for group in groups if hosts.group(group)))
    if len(hosts.machines) - len(victims) < 2:
        not_applicable("too few hosts: without these there is nothing")
    inventory, data = pytestconfig.getoption("inventory"), changed(estate)
    faults.kill(*victims)
    status, said = deploys("base")
    assert status != 0 and "can't be reached; nothing was changed" in said, said[-800:]
    words = " ".join(f"--exclude {one}" for one in sorted(victims))
    assert f"deploys/base.py {words}" in said, f"it does not say how to go on: {said[-800:]}"
    services_go_on(hosts, estate, victims, eventually)
    without = Without(deploys, hosts, victims, data)
    without("all")
    left = planned(inventory, ALL, "", exclude=victims, **data)
    assert not left, f"a second run without {victims} finds to do: {left}"
    without.verbs(estate, versions)
    faults.start(*victims)
    deploys.good("all")
    left = planned(inventory, ALL, "")
    assert not left, f"a full run after {victims} are back finds to do: {left}"
    assert len(set(serving(hosts).values())) <= 1, f"two releases serve: {serving(hosts)}"
    assert not read(record_file(estate)).missed, "the record says that a host has missed a release"
    figures["without"], figures["runs"] = " ".join(victims), len(without.done)


@pytest.mark.parametrize("group", ["etcd", "redis"])
def test_a_majority_is_refused(group, hosts, deploys):
    """With two of three left out nothing is begun."""
    names = [one.name for one in hosts.group(group)]
    if len(names) < 3:
        not_applicable(f"fewer than three hosts of group {group}")
    status, said = deploys(group, *(word for name in names[:2] for word in ("--exclude", name)))
    assert status != 0 and "no host was changed" in said and f"2 of the {len(names)} hosts of group {group}" in said, (
        said
    )
