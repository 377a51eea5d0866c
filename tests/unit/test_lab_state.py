"""What a lab tells other programs, and what its inventory makes of it."""

import json

import pytest

from lab import cli, inventory, machine, network, state
from lab.errors import LabError
from lab.state import Lab, LabHost
from lab.topology import GROUPS, TOPOLOGIES, parse_hosts


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "STATE", tmp_path)
    made = Lab(name="demo", topology="custom", slot=7, image="i", packages="p")
    made.hosts = [
        LabHost("db1", ("postgres", "etcd"), "a", "10.210.14.11", "xl7h1", "0" * 32),
        LabHost("backup1", ("backup",), "b", "10.210.15.11", "xl7h2", "1" * 32),
    ]
    made.directory.mkdir()
    made.save()
    return made


def test_a_lab_is_read_back_as_it_was_saved(lab):
    assert state.load("demo") == lab


def test_inventory_has_every_group_and_strict_host_keys(lab, tmp_path):
    lab.publish(network.controller(lab.slot))
    groups = inventory.groups("demo", tmp_path)
    assert set(groups) == set(GROUPS)
    assert groups["edge"] == []
    ((name, data),) = groups["backup"]
    assert name == "backup1"
    assert data["ssh_hostname"] == data["address"] == "10.210.15.11"
    assert data["region"] == "b"
    assert data["ssh_strict_host_key_checking"] == "yes"
    assert json.loads(lab.description.read_text())["controller"] == "10.210.14.1"


def test_inventory_of_a_lab_that_is_not_up_says_how_to_start_it(lab, tmp_path):
    with pytest.raises(LabError, match="python -m lab up --name demo"):
        inventory.groups("demo", tmp_path)


def test_inventory_without_hosts_is_refused(lab, tmp_path):
    lab.hosts = []
    lab.publish("10.210.14.1")
    with pytest.raises(LabError, match="has no hosts"):
        inventory.groups("demo", tmp_path)


def test_unknown_lab_and_host_name_the_known_ones(lab):
    with pytest.raises(LabError, match="labs: demo"):
        state.load("other")
    with pytest.raises(LabError, match="db1, backup1"):
        lab.host("db9")


def test_slot_avoids_other_labs_and_networks_of_this_machine(monkeypatch):
    routes = json.dumps([{"dst": "default"}, {"dst": "10.210.2.0/24"}, {"dst": "10.0.0.0/8"}])
    monkeypatch.setattr(network, "run", lambda command: routes)
    assert network.free_slot([0]) == 2


def test_too_little_memory_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 900)
    with pytest.raises(LabError, match=r"12 hosts need about \d+ MiB of memory, 900 MiB are available"):
        machine.require_memory(parse_hosts(TOPOLOGIES["ha"]))


def test_missing_program_names_its_package(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda program, path: None if program == "nft" else "/bin/x")
    with pytest.raises(LabError, match="apt-get install --no-install-recommends nftables"):
        machine.require_programs()


def test_without_root_every_command_refuses(monkeypatch, capsys):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    for command in (["up"], ["down"], ["status"], ["kill", "db1"], ["ssh"]):
        assert cli.main(command) == 1
        assert "root" in capsys.readouterr().err
