"""Several edges: what they open to each other, and which floating addresses are refused."""

import pytest

from xteam_infra.layers.edge.needs import ALIVE_CONNECTIONS, http_connections, process_connections
from xteam_infra.plan.compose import plans
from xteam_infra.plan.firewall_rules import firewall_rules


def ways(estate, machine):
    """{(protocol, port): networks that may come in}"""
    return {(one.protocol, one.port): one.v4 for one in firewall_rules(estate, estate.machine(machine))}


def test_edges_are_open_to_each_other_alone(ha):
    ha.own["edge_floating_address"] = "10.0.0.200/24"
    estate = ha.read()
    edges = tuple(sorted(f"{machine.address}/32" for machine in estate.members("edge")))
    found = ways(estate, "edge1")
    assert found["tcp", 10443] == edges and found["vrrp", 112] == edges
    assert "keepalived.service" in plans(estate)["edge2"].units
    assert not {("tcp", 10443), ("vrrp", 112)} & set(ways(estate, "app1"))


def test_one_edge_talks_to_itself_alone(declaration):
    estate = declaration.read()
    found = ways(estate, "solo1")
    assert found["tcp", 10443] == (f"{estate.machine('solo1').address}/32",) and ("vrrp", 112) not in found
    assert "keepalived.service" not in plans(estate)["solo1"].units


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.0.0.200", "with its prefix length"),
        ("10.0.0.300/24", "does not appear to be"),
        ("10.0.0.1/24", "an address that no host has"),
        ("10.9.0.5/24", "edge1, edge2 is outside 10.9.0.0/24"),
    ],
)
def test_floating_addresses_that_can_not_float(ha, address, allowed):
    ha.own["edge_floating_address"] = address
    assert allowed in ha.problems()["edge_floating_address"]


def test_a_floating_address_for_one_edge(declaration):
    declaration.own["edge_floating_address"] = "10.0.0.200/24"
    assert "nobody to take it over" in declaration.problems()["edge_floating_address"]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("edge_maintenance", "", "at least 1 character"),
        ("edge_maintenance_networks", ("0.0.0.0/0",), "for everybody there is no maintenance"),
        ("edge_trusted_networks", ("::/0",), "for everybody there is no limit"),
        ("edge_connections_per_source", 65, "at most 64 with edge_max_connections = 4000"),
        ("edge_requests_per_source", 65, "sources together leave 20 % of it to the others"),
        ("edge_handshake_timeout_seconds", 0, "greater than or equal to 1"),
        ("edge_static_path", "static", "match pattern"),
        ("edge_static_path", "/static", "match pattern"),
        ("edge_retry_after_seconds", 0, "greater than or equal to 1"),
    ],
)
def test_what_clients_can_not_be_told(declaration, key, value, allowed):
    declaration.own[key] = value
    assert allowed in declaration.problems()[key]


def test_the_process_has_more_connections_than_its_frontends(declaration):
    for most in (250, 4000, 100_000):
        of_source = {"edge_connections_per_source": 4, "edge_requests_per_source": 4}
        declaration.own |= {"edge_max_connections": most, **of_source}
        settings = declaration.read().edge
        assert process_connections(settings) > most + http_connections(settings) + ALIVE_CONNECTIONS
        assert 2 * process_connections(settings) < 262_144, "the unit's LimitNOFILE"


@pytest.mark.parametrize("path", ["auth/login", "/auth/login?x", "/a b"])
def test_strict_paths_that_are_none(declaration, path):
    declaration.own["edge_auth_rate_limited_paths"] = (path,)
    assert "paths such as /auth/login" in declaration.problems()["edge_auth_rate_limited_paths"]
