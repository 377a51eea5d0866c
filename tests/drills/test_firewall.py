"""Drills on rules that would lock somebody out: they take themselves back."""

import json
import socket

import pytest

from xteam_infra.facts.firewall import LISTING

pytestmark = pytest.mark.group("postgres", first=True)
NOWHERE = "192.0.2.0/24"  # of documentation: nobody has it
CASES = {
    "controller": ({"management_networks": [NOWHERE]}, "no new SSH connection with the change"),
    "names": ({"name_servers": ["192.0.2.53"]}, "the new ones would cut"),
    "packages": ({"mirror_networks": [NOWHERE]}, "the new ones would cut"),
}
MIRROR = "apt-get indextargets --format '$(SITE)' | head -1 | cut -d/ -f3"


@pytest.mark.parametrize("case", CASES)
def test_rules_that_lock_out_take_themselves_back(host, hosts, estate, deploys, eventually, case):
    """The deploy fails and says why; new logins, names and packages work as before, under the rules of before."""
    settings, said_of_it = CASES[case]
    before = hosts.at_once(hosts, LISTING)
    status, said = deploys("firewall", **{key: json.dumps(value) for key, value in settings.items()})
    assert status != 0 and said_of_it in said, f"such rules are kept: {said[-1500:]}"
    limit = 2 * estate.firewall.firewall_confirm_seconds + 30
    for one in hosts:
        assert eventually(lambda one=one: _answers(one.address), seconds=limit), f"{one.name} lets nobody in"
    hosts.memo.forget()
    same = {one: found.stdout for one, found in before.items()}
    eventually(lambda: {one: f.stdout for one, f in hosts.at_once(hosts, LISTING).items()} == same, seconds=limit)
    for one in hosts:
        name = one.check_output(MIRROR)
        assert one.run("getent ahosts %s", name).rc == 0, f"{one.name} finds no name"
    assert host.run("apt-get -q update -o APT::Update::Error-Mode=any", timeout=300).rc == 0, "no packages"
    assert deploys.good("firewall").count("Success") >= len(hosts), "the rules as declared can't be loaded"


def _answers(address):
    try:
        with socket.create_connection((address, 22), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
