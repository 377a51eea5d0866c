"""The backup layer without any host: what it refuses, who calls whom, and who gets the key."""

from datetime import UTC, datetime, timedelta

import pytest

from xteam_infra.facts.backup import Repository
from xteam_infra.plan.backup import callers, databases, needs


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("yesterday", "a time with its zone"),
        ("2026-11-23", "the zone is missing"),
        ("2026-11-23 07:40:00", "the zone is missing"),
        (20261123, "the zone is missing"),
        ("0/5000028", "a time with its zone"),
    ],
)
def test_a_target_that_is_no_moment(declaration, target, allowed):
    declaration.own["target"] = target
    assert allowed in declaration.problems()["target"]


def test_a_target_in_the_future(declaration):
    declaration.own["target"] = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert "a moment of the past; now it is " in declaration.problems()["target"]


@pytest.mark.parametrize(
    "target", ["latest", "2026-11-01 07:40:00+00", "2026-11-01T07:40:00.5Z", "2026-11-01 09:40+02"]
)
def test_targets_that_are_moments(declaration, target):
    declaration.own["target"] = target
    assert declaration.read().backup.target == target


@pytest.mark.parametrize("calendar", ["often", "25", "Sunday at noon", "Sun 01:30; reboot", ""])
def test_a_time_that_is_no_calendar_expression(declaration, calendar):
    declaration.own["backup_full_on"] = calendar
    assert "systemd calendar expression" in declaration.problems()["backup_full_on"]


def test_both_backups_at_one_time(declaration):
    declaration.own |= {"backup_full_on": "01:30", "backup_differential_on": "01:30"}
    assert "another time than backup_full_on" in declaration.problems()["backup_differential_on"]


def test_a_key_that_stands_in_the_settings(declaration):
    declaration.own["backup_cipher"] = "correct horse battery staple"
    said = declaration.problems()["backup_cipher"]
    assert "never the value" in said and "horse" not in said


def test_two_repositories(ha):
    ha.hosts["backup2"] = ("backup",)
    assert "there is one repository" in ha.problems()["backup"]


def test_who_calls_whom_on_many_hosts(ha):
    estate = ha.read()
    repository, database = estate.machine("backup1"), estate.machine("db2")
    assert [one.name for one in callers(estate, repository)] == ["db1", "db2", "db3"]
    assert [one.name for one in databases(estate, repository)] == ["db1", "db2", "db3"]
    assert [one.name for one in callers(estate, database)] == ["backup1"]
    assert [one.name for one in databases(estate, database)] == ["db2"]


def test_who_calls_whom_on_one_host(declaration):
    estate = declaration.read()
    [host] = estate.machines
    assert callers(estate, host) == (host,), "the server does not start without anyone who may call it"
    assert [one.name for one in databases(estate, host)] == [host.name]


def test_a_database_on_the_repository_host_comes_first(ha):
    """It archives as pg1, whichever place it has in the inventory."""
    ha.hosts["backup1"] = ("backup", "postgres", "etcd")
    ha.hosts.pop("db3")
    estate = ha.read()
    assert [one.name for one in databases(estate, estate.machine("backup1"))] == ["backup1", "db1", "db2"]


def test_no_repository_no_needs(ha):
    ha.hosts.pop("backup1")
    estate = ha.read()
    assert not any(needs(estate, machine).packages for machine in estate.machines)


@pytest.mark.parametrize("output", [[], ["", "no json"]])
def test_a_host_without_pgbackrest_has_no_repository(output):
    state = Repository().process(output)
    assert not state.exists and state.backups == ()
