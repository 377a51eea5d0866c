"""Drills on databases that were lost whole and built anew, beside the backups of those that were there before.

In a lab. The application is without its database meanwhile; in the end it has one again, with or without its rows.
"""

import shlex
import time
from pathlib import Path

import pytest

from checklist.rerun import planned
from checklist.run import not_applicable
from tests.drills.harness.cluster import PATIENCE, Cluster

pytestmark = pytest.mark.group("backup", first=True)
TABLE = "public.xteam_drill_rebuilt"
# Of the layers before the backups.
LAYERS = ("base", "firewall", "certificates", "storage", "etcd", "postgres")
CHECKS = "xteam-backup@check.service"


@pytest.fixture
def cluster(hosts, estate):
    """The databases, now and after they were built anew."""
    if not estate.members("postgres"):
        not_applicable("no database in the inventory")
    return Cluster(hosts, estate)


@pytest.fixture
def rebuilt(host, cluster, estate, deploys, faults, eventually, pytestconfig):
    """A row that is archived, then new bare database hosts with a cluster of their own; (old, new) system identifier.

    Afterwards all layers are deployed once more: the application finds its schema.
    """
    etcd = {one.name for one in estate.members("etcd")}
    lost = sorted({one.name for one in estate.members("postgres")} | etcd)
    if host.name in lost:
        not_applicable("the backup host is one of the databases: it would be lost with them")
    assert faults.lab, "only a lab's hosts are burnt down"
    old = identifier(cluster)
    leader = cluster.hosts[cluster.leader()]
    rows = f"DROP TABLE IF EXISTS {TABLE}; CREATE TABLE {TABLE} AS SELECT 42 AS id; SELECT pg_switch_wal()"
    cluster.sql(leader, rows)
    host.check_output(f"systemctl start {CHECKS}", timeout=PATIENCE)
    faults.replace(*lost)
    for layer in LAYERS:
        deploys.good(layer)
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    try:
        yield old, identifier(cluster)
    finally:
        eventually(cluster.whole, seconds=PATIENCE, interval=1)
        deploys.good("all")
        cluster.sql(cluster.hosts[cluster.leader()], f"DROP TABLE IF EXISTS {TABLE}")


def identifier(cluster):
    return cluster.sql(cluster.hosts[cluster.leader()], "SELECT system_identifier FROM pg_control_system()").strip()


def refused(host, deploys, estate, old, new):
    """The deploy stops, names both and the two ways, and has left the repositories as they were."""
    before = listed(host, estate)
    for options in (("--dry",), ()):
        status, said = deploys("backup", *options)
        assert (status == 0) == bool(options), said[-3000:]
        for words in (old, new, f"begin_anew={old}", "tasks/restore.py --data into=cluster"):
            assert words in said, f"{words} is not in what the deploy says: {said[-3000:]}"
    assert listed(host, estate) == before, "the deploy has changed the repository"


def listed(host, estate):
    return host.check_output(f"find {estate.backup.backup_path} -type f | sort | sha256sum")


def all_is_well(host, deploys, pytestconfig):
    """Archived and backed up into every repository; the deploy finds nothing to do."""
    deploys.good("backup")
    # It has failed too often beside the other cluster's repository to be started once more.
    host.check_output(f"systemctl reset-failed {CHECKS}; systemctl start {CHECKS}", timeout=PATIENCE)
    assert planned(pytestconfig.getoption("inventory"), Path("deploys/backup.py"), "") == []


@pytest.mark.item("BAK-01", "BAK-02", "TST-05")
def test_rebuilt_cluster_is_restored_from_its_backup(
    host, rebuilt, cluster, deploys, estate, figures, eventually, pytestconfig
):
    """The first way: by the command that the refusal names. Every row is back, and backups go on."""
    old, new = rebuilt
    assert old != new, "the databases were not built anew: this drill shows nothing"
    refused(host, deploys, estate, old, new)
    began = time.monotonic()
    sure = f"{estate.all.domain} latest"
    deploys.good("restore", into="cluster", target="latest", repository=1, confirm=sure)
    figures["restore_seconds"] = round(time.monotonic() - began, 1)
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    assert identifier(cluster) == old, "another cluster leads"
    assert cluster.sql(cluster.hosts[cluster.leader()], f"TABLE {TABLE}").strip() == "42", "the row is lost"
    all_is_well(host, deploys, pytestconfig)


@pytest.mark.item("BAK-01", "BAK-02", "TST-05")
def test_rebuilt_cluster_keeps_old_backups_aside(host, rebuilt, cluster, deploys, estate, figures, pytestconfig):
    """The second way: the old repositories are kept aside, on the disk and in the bucket, and can be restored there."""
    old, new = rebuilt
    refused(host, deploys, estate, old, new)
    began = time.monotonic()
    deploys.good("backup", begin_anew=old)
    figures["begin_anew_seconds"] = round(time.monotonic() - began, 1)
    aside = f"{estate.backup.backup_path}/aside/{old}"
    assert host.file(f"{aside}/backup/main/backup.info").exists, "the old backups are gone"
    for repository in (1, 2) if estate.backup.backup_s3_bucket else (1,):
        [stanza] = host.json(f"cd / && runuser -u postgres -- pgbackrest --repo={repository} --output=json info")
        kinds = {one["type"]: one["database"]["repo-key"] for one in stanza["backup"]}
        assert "full" in kinds, f"repository {repository} has no full backup of the new cluster"
        assert {str(one["system-id"]) for one in stanza["db"]} == {new}, "backups of two clusters lie together"
        place = f"aside-{repository}"
        said = host.check_output(f"xteam-restore to latest --aside {old} --repo {repository}", timeout=900)
        try:
            found = host.check_output(
                f"cd / && runuser -u postgres -- psql -XqAt {connection(said)} -c {shlex.quote(f'TABLE {TABLE}')}"
            )
            assert found.strip() == "42", f"{place} does not hold the row"
        finally:
            host.run(f"xteam-restore remove {said.partition('xteam-restore remove ')[2].split()[0]}")
    all_is_well(host, deploys, pytestconfig)


def connection(said):
    return said.partition("Connect: sudo -u postgres psql ")[2].splitlines()[0]
