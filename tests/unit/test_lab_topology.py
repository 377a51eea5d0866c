"""Which hosts a lab gets, from the words the user types."""

import pytest

from lab.errors import LabError
from lab.topology import GROUPS, TOPOLOGIES, check_name, parse_hosts


def test_solo_is_one_host_in_every_group():
    (host,) = parse_hosts(TOPOLOGIES["solo"])
    assert host.groups == GROUPS


def test_ha_spreads_every_group_over_two_regions():
    hosts = parse_hosts(TOPOLOGIES["ha"])
    assert {group for host in hosts for group in host.groups} == set(GROUPS)
    assert [host.name for host in hosts if host.region == "b"] == ["backup1", "ops1"]
    assert sum("etcd" in host.groups for host in hosts) == 3


def test_region_defaults_to_a():
    assert parse_hosts("db1=postgres,etcd")[0].region == "a"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no host given"),
        ("db1", "not NAME=GROUP"),
        ("db1=", "not NAME=GROUP"),
        ("db1=database", "unknown group 'database'"),
        ("db1=postgres@c", "unknown region 'c'"),
        ("db1=postgres db1=etcd", "given twice"),
        ("DB_1=postgres", "not usable"),
    ],
)
def test_malformed_hosts_are_refused_by_name(text, complaint):
    with pytest.raises(LabError, match=complaint):
        parse_hosts(text)


@pytest.mark.parametrize("name", ["../x", "", "Lab", "-lab", "lab-", "l" * 33, "1lab"])
def test_names_that_would_break_paths_or_interfaces_are_refused(name):
    with pytest.raises(LabError, match="not usable"):
        check_name("lab", name)
