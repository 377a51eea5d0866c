"""The backup layer without any host: what it refuses, who calls whom, and who gets the key."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import xteam_infra.on_host
from xteam_infra.cloud.aside import move
from xteam_infra.errors import SettingsError
from xteam_infra.layers.backup.cluster import _moves, refusal
from xteam_infra.layers.backup.facts import Drills, Repositories
from xteam_infra.layers.backup.needs import callers, databases, jobs, needs, repositories
from xteam_infra.layers.backup.operations import keys_fit, validate_restore
from xteam_infra.on_host.xteam_backup.reached import without_silent
from xteam_infra.secrets import Secret


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("yesterday", "a time with its zone"),
        ("2026-11-23", "the zone is missing"),
        ("2026-11-23 07:40:00", "the zone is missing"),
        (20261123, "the zone is missing"),
        ("0/50000280000", "a time with its zone"),
        ("name:", "a time with its zone"),
        ("name:a b", "a time with its zone"),
    ],
)
def test_a_target_that_is_no_moment(declaration, target, allowed):
    declaration.own["target"] = target
    assert allowed in declaration.problems()["target"]


def test_a_target_in_the_future(declaration):
    declaration.own["target"] = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert "a moment of the past; now it is " in declaration.problems()["target"]


@pytest.mark.parametrize(
    "target",
    [
        "latest",
        "2026-11-01 07:40:00+00",
        "2026-11-01T07:40:00.5Z",
        "2026-11-01 09:40+02",
        "0/5000028",
        "name:before-migration",
    ],
)
def test_targets_that_are_moments(declaration, target):
    declaration.own["target"] = target
    assert declaration.read().backup.target == target


@pytest.mark.parametrize("confirm", ["", "yes", "xteam.test", "xteam.test latest"])
def test_a_restore_in_place_wants_to_be_confirmed(ha, confirm):
    """By the product's own name: whoever has the wrong inventory in hand types another one."""
    ha.own |= {"target": "2026-11-01 07:40:00+00", "into": "cluster", "confirm": confirm}
    with pytest.raises(SettingsError, match=r"confirm(.|\n)*xteam.test 2026-11-01 07:40:00\+00"):
        validate_restore(ha.read())


def test_a_restore_from_a_repository_that_is_not_there(ha):
    ha.own |= {"target": "latest", "repository": 2}
    with pytest.raises(SettingsError, match="backup_s3_bucket is not set"):
        validate_restore(ha.read())


@pytest.mark.parametrize(
    ("output", "good"),
    [
        (["{}"[:0]], {}),
        (
            ['{"repository": 1, "good": true, "cluster": "77"}{"repository": 2, "good": false, "cluster": "77"}'],
            {1: "77", 2: ""},
        ),
        (['{"repository": 1, "good": true}'], {1: ""}),
    ],
)
def test_what_came_of_restore_drills(output, good):
    assert Drills().process(output) == good


@pytest.mark.parametrize("calendar", ["often", "25", "Sunday at noon", "Sun 01:30; reboot", ""])
def test_a_time_that_is_no_calendar_expression(declaration, calendar):
    declaration.own["backup_full_schedule"] = calendar
    assert "systemd calendar expression" in declaration.problems()["backup_full_schedule"]


def test_both_backups_at_one_time(declaration):
    declaration.own |= {"backup_full_schedule": "01:30", "backup_differential_schedule": "01:30"}
    assert "another time than backup_full_schedule" in declaration.problems()["backup_differential_schedule"]


def test_a_key_that_stands_in_the_settings(declaration):
    declaration.own["backup_encryption_key"] = "correct horse battery staple"
    said = declaration.problems()["backup_encryption_key"]
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
    assert Repositories().process(output) == {}


S3 = {"backup_s3_bucket": "xteam-backups", "backup_s3_region": "eu-west-1"}


def test_a_second_repository_that_can_be(ha):
    ha.own |= S3
    estate = ha.read()
    first, second = repositories(estate)
    assert (first.bucket, second.bucket.name) == (None, "xteam-backups")
    assert second.machine == first.machine, "database hosts reach the bucket through the backup host alone"
    assert estate.backup.storage.host == "s3.eu-west-1.amazonaws.com"
    names = [job.name for job in jobs(estate)]
    assert names == [f"repo{n}-{kind}" for n in (1, 2) for kind in ("full", "diff", "verify", "expire")] + ["check"]


def test_one_repository_without_a_bucket(ha):
    assert [one.number for one in repositories(ha.read())] == [1]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("backup_s3_bucket", "My_Bucket", "pattern"),
        ("backup_s3_region", "", "the bucket's region"),
        ("backup_s3_region", "Frankfurt", "pattern"),
        ("backup_s3_endpoint", "https://s3.example.com", "pattern"),
        ("backup_s3_ca", "/nowhere/ca.crt", "a file on this controller"),
        ("backup_s3_encryption_key", Secret("backup/repo1-cipher"), "another secret than backup_encryption_key"),
        ("backup_s3_key", "AKIAIOSFODNN7", "never the value"),
        ("backup_s3_lock_days", 0, "greater than or equal to 1"),
        ("backup_s3_differential_schedule", "Sun 03:30", "another time than backup_s3_full_schedule"),
    ],
)
def test_a_second_repository_that_cannot_be(ha, key, value, allowed):
    ha.own |= {**S3, key: value}
    said = ha.problems()[key]
    assert allowed in said and "AKIA" not in said, said


def test_each_repository_must_open_with_its_own_key(ha):
    ha.own |= S3
    command = keys_fit(repositories(ha.read()), "main")
    assert "give backup/repo1-cipher" in command and "give backup/repo2-cipher" in command


CONFIGURED = """[global]
process-max=2

[main]
pg1-host=db1
pg1-host-port=8432
pg1-path=/var/lib/postgresql/17/main
pg2-path=/var/lib/postgresql/17/main
pg3-host=db3
pg3-path=/var/lib/postgresql/17/main
"""


@pytest.mark.parametrize(
    ("silent", "wanted"),
    [
        ((), CONFIGURED),
        (("db1", "db3"), CONFIGURED[: CONFIGURED.index("pg1")] + "pg1-path=/var/lib/postgresql/17/main\n"),
        (("db3",), CONFIGURED[: CONFIGURED.index("pg3")]),
    ],
)
def test_pgbackrest_asks_the_hosts_that_answer(silent, wanted):
    """Those left are numbered from 1; the database of the backup host itself, without a host, stays."""
    assert without_silent(CONFIGURED, lambda host, port: host not in silent) == wanted


def test_pgbackrest_asks_all_when_none_answers():
    text = CONFIGURED.replace("pg2-path=/var/lib/postgresql/17/main\n", "")
    assert without_silent(text, lambda host, port: False) == text


ONE, OTHER = "7713975324929939012", "7713977255826007637"


def stanza(*clusters):
    """pgBackRest's answer about a repository that was of these clusters, with a backup of each."""
    db = [{"id": n, "repo-key": 1, "system-id": int(one)} for n, one in enumerate(clusters, start=1)]
    backup = [{"label": f"F{one['id']}", "error": False, "database": {"id": one["id"], "repo-key": 1}} for one in db]
    return {"db": db, "backup": backup, "repo": [{"key": 1, "status": {"code": 0, "message": "ok"}}]}


def test_backups_of_an_earlier_cluster_do_not_count():
    found = Repositories().process([json.dumps([stanza(OTHER, ONE)])])
    assert (found[1].cluster, found[1].backups) == (ONE, ("F2",))


def test_a_repository_of_no_cluster():
    nothing = {"db": [], "backup": [], "repo": [{"key": 1, "status": {"code": 1, "message": "missing stanza path"}}]}
    assert Repositories().process([json.dumps([nothing])])[1].cluster == ""


@pytest.fixture
def identity(monkeypatch, tmp_path):
    """The backup host's own view."""
    monkeypatch.syspath_prepend(str(Path(xteam_infra.on_host.__file__).parent))
    from xteam_backup import identity

    monkeypatch.setattr(identity, "RUNNING", tmp_path / "cluster")
    return identity


def test_a_repository_is_owned_by_the_cluster_that_was_noted(identity):
    assert not identity.owned(stanza(ONE), 1), "nobody knows which cluster runs"
    identity.note(ONE)
    assert identity.owned(stanza(ONE), 1) and identity.owned(stanza(OTHER, ONE), 1)
    assert not identity.owned(stanza(ONE, OTHER), 1)
    identity.note(identity.ANOTHER)
    assert not identity.owned(stanza(ONE), 1)


def test_a_repository_of_another_cluster_is_named_with_both(identity):
    from xteam_backup.common import BackupError

    identity.note(ONE)
    with pytest.raises(BackupError, match=f"{OTHER}.*{ONE}"):
        identity.require_owned(stanza(OTHER), 1)


def test_own_backups_are_those_of_the_cluster_that_runs(identity, monkeypatch):
    from xteam_backup import repository

    identity.note(ONE)
    assert [one["label"] for one in repository.own_backups(stanza(OTHER, ONE), 1)] == ["F2"]
    assert repository.own_backups(stanza(OTHER), 1) == []


def test_the_refusal_names_both_clusters_and_two_ways_on(ha):
    ha.own |= S3
    estate = ha.read()
    first, second = repositories(estate)
    said = refusal(estate, {first: OTHER, second: OTHER}, ONE, "inventories/x.py")
    assert f"is {OTHER}, that of the cluster that runs is {ONE}" in said
    assert 'tasks/restore.py --data into=cluster --data target=latest --data repository=1 --data confirm="' in said
    assert said.count(f"deploys/backup.py --data begin_anew={OTHER}") == 1


@pytest.mark.parametrize(("value", "read"), [(int(ONE), ONE), (ONE, ONE)])
def test_a_cluster_to_keep_aside_as_pyinfra_reads_it(declaration, value, read):
    declaration.own["begin_anew"] = value
    assert declaration.read().backup.begin_anew == read


@pytest.mark.parametrize("value", ["main", "12; rm -r /", 5])
def test_what_is_no_system_identifier(declaration, value):
    declaration.own["begin_anew"] = value
    assert "pattern" in declaration.problems()["begin_anew"]


class Objects:
    """A bucket of objects, as boto3 shows it."""

    def __init__(self, *keys):
        self.keys, self.deleted = set(keys), []
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))

    def get_paginator(self, _):
        return self

    def paginate(self, **where):
        return [{"Contents": [{"Key": key} for key in sorted(self.keys) if key.startswith(where["Prefix"])]}, {}]

    def copy_object(self, **what):
        assert what["CopySource"]["Key"] in self.keys
        self.keys.add(what["Key"])

    def delete_objects(self, **what):
        for one in what["Delete"]["Objects"]:
            self.deleted.append(one["Key"])
            self.keys.remove(one["Key"])


def test_a_stanza_in_a_bucket_is_moved_whole_and_what_names_it_goes_last():
    kept = Objects("p/backup/main/backup.info", "p/backup/main/x/f", "p/backup/mainly", "p/archive/main/a")
    assert move(kept, "bucket", "p/backup/main/", "p/aside/1/backup/main/") == 2
    assert kept.deleted[-1] == "p/backup/main/backup.info"
    assert kept.keys == {
        "p/aside/1/backup/main/backup.info", "p/aside/1/backup/main/x/f", "p/backup/mainly", "p/archive/main/a",
    }  # fmt: skip


def test_interrupted_move_aside_is_made_good(ha, tmp_path):
    """What tells whose backups they are is moved last."""
    repository = replace(repositories(ha.read())[0], path=str(tmp_path))
    script = _moves(repository, "66").replace("-o postgres -g postgres", "")
    for part in ("archive", "backup"):
        (tmp_path / part / "main").mkdir(parents=True)
    broken = script.replace(f"mv -T {tmp_path}/backup", f"false {tmp_path}/backup")
    assert subprocess.run(["sh", "-ec", broken], check=False).returncode != 0
    assert (tmp_path / "backup/main").exists() and not (tmp_path / "archive/main").exists()
    assert subprocess.run(["sh", "-ec", script], check=False).returncode == 0
    assert (tmp_path / "aside/66/archive/main").is_dir() and (tmp_path / "aside/66/backup/main").is_dir()
