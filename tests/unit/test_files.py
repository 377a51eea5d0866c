"""Backups of users' files: who sends, who keeps, and settings that are refused."""

import pytest

from xteam_infra.layers.files.needs import cipher, keeps, sends
from xteam_infra.plan.firewall_rules import firewall_rules


def test_api_hosts_send_and_the_backup_host_keeps(ha):
    estate = ha.read()
    assert [one.name for one in estate.machines if sends(estate, one)] == ["app1", "app2"]
    assert [one.name for one in estate.machines if keeps(estate, one)] == ["backup1"]
    (proxy,) = [one for one in firewall_rules(estate, estate.machine("backup1")) if one.port == 8093]
    assert set(proxy.v4) == {f"{machine.address}/32" for machine in estate.members("app")}
    assert cipher(estate.machine("app1")).name != cipher(estate.machine("app2")).name


def test_without_a_backup_host_nobody_sends(ha):
    ha.hosts = {name: groups for name, groups in ha.hosts.items() if "backup" not in groups}
    estate = ha.read()
    assert not [one for one in estate.machines if sends(estate, one)]


@pytest.mark.parametrize(
    "path", ["/var/lib/xteam/redis-backup", "/var/lib/xteam/redis-backup/files", "/var/lib/pgbackrest"]
)
def test_a_place_that_is_anothers(declaration, path):
    declaration.own["files_backup_path"] = path
    assert "a directory beside" in declaration.problems()["files_backup_path"]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("files_backup_schedule", "hourly; rm", "systemd calendar"),
        ("files_backup_keep", {}, "at least 1"),
        ("files_backup_max_age_minutes", 1, "10"),
    ],
)
def test_values_that_are_refused(declaration, key, value, allowed):
    declaration.own[key] = value
    assert allowed in declaration.problems()[key]
