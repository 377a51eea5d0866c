"""Encryption at rest: who holds keys, and which volumes are refused."""

import json
import subprocess

import pytest

from xteam_infra.layers.storage.facts import DataVolume, EncryptedDirectory, Volume
from xteam_infra.layers.storage.needs import ENCRYPTED_MOUNTS, encrypts, tang_servers, tang_url
from xteam_infra.layers.storage.operations import volume_problems
from xteam_infra.plan.compose import plans


def test_a_database_host_holds_no_key_where_there_is_another(ha):
    estate = ha.read()
    assert [machine.name for machine in tang_servers(estate)] == ["backup1"], "one region: one Tang server"
    (tang,) = [one for one in plans(estate)["backup1"].listens if one.port == 7070]
    assert tang.sources == ("postgres",)
    assert "tang" not in plans(estate)["db1"].packages and "clevis" in plans(estate)["db1"].packages


def test_named_tang_servers_are_taken_as_they_are(ha):
    ha.own["storage_tang_servers"] = ("redis2", "edge1")
    estate = ha.read()
    assert [machine.name for machine in tang_servers(estate)] == ["edge1", "redis2"]
    assert tang_url(estate, estate.machine("edge1")) == f"http://{estate.machine('edge1').address}:7070"


def test_one_host_is_its_own_tang_server(declaration):
    estate = declaration.read()
    assert [machine.name for machine in tang_servers(estate)] == ["solo1"]


@pytest.mark.parametrize("chosen", ["provider", "none"])
def test_nothing_is_laid_where_others_encrypt_or_nobody(ha, chosen):
    ha.own["storage_encryption"] = chosen
    estate = ha.read()
    assert not tang_servers(estate) and not encrypts(estate, estate.machine("db1"))
    assert "xteam-storage.service" not in plans(estate)["db1"].units


def test_what_is_refused(ha):
    ha.own.update(storage_encryption="luks2", storage_tang_servers=("db9",), storage_recovery="a-literal-key")
    assert "a reference such as" in ha.problems()["storage_recovery"]
    del ha.own["storage_recovery"]
    said = ha.problems()
    assert "not proved yet" in said["storage_encryption"] and "db9" in said["storage_tang_servers"]


def test_more_tang_servers_wanted_than_there_are(ha):
    ha.own["storage_tang_threshold"] = 2
    assert "at most 1 (Tang servers: backup1)" in ha.problems()["storage_tang_threshold"]


def test_unfit_volumes():
    assert not list(volume_problems("/srv/data", "db1", Volume("ext4", False)))
    (problem,) = volume_problems("/srv/data", "db1", Volume("overlay", False))
    assert (problem.file, problem.found) == ("host db1", "/srv/data is on overlay")
    (problem,) = volume_problems("/srv/data", "db1", Volume("ext4", True))
    assert "not encrypted" in problem.found and "docs/operations/storage.md" in problem.allowed


def test_the_volume_of_a_directory_that_is_not_there_yet(local_host):
    here = local_host.get_fact(DataVolume, path="/")
    assert here.fstype and local_host.get_fact(DataVolume, path="/no/such/directory") == here


def test_what_the_host_says_of_its_tree():
    said = {"exists": True, "unlocked": False, "options": None, "binding": {"t": 1}}
    tree = EncryptedDirectory().process([json.dumps(said)])
    assert tree.exists and not tree.is_open and tree.binding == {"t": 1}
    assert not EncryptedDirectory().process([]).exists


def test_mount_units_are_named_after_their_mount_points():
    for one in ENCRYPTED_MOUNTS:
        command = ["systemd-escape", "--path", "--suffix=mount", one.where]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == one.unit
