"""Hosts that are said to be down: who does what is done once, and which groups bear it."""

from types import SimpleNamespace

import pytest

from xteam_infra.engine import absent
from xteam_infra.on_host.xteam_patroni.validate import Offline


@pytest.fixture
def hosts():
    """Three of them; afterwards none is said to be down."""
    yield tuple(SimpleNamespace(name=f"db{number}") for number in (1, 2, 3))
    absent.declare_down(())


def names(hosts):
    return [one.name for one in hosts]


def test_up_and_down(hosts):
    assert names(absent.up(hosts)) == ["db1", "db2", "db3"]
    absent.declare_down(["db1"])
    assert (names(absent.up(hosts)), names(absent.down(hosts))) == (["db2", "db3"], ["db1"])


def test_what_is_done_once_is_done_by_the_first_that_takes_part(hosts, monkeypatch):
    monkeypatch.setattr(absent, "state", SimpleNamespace(inventory=SimpleNamespace(get_active_hosts=lambda: hosts[1:])))
    assert absent.first_here(hosts).name == "db2"
    assert absent.first_here(hosts[:1]) is None


@pytest.mark.parametrize(
    ("down", "refused"),
    [([], 0), (["a"], 0), (["a", "b"], 1), (["a", "b", "c"], 0), (["other"], 0)],
)
def test_a_minority_may_be_down_or_all_be_left_out(hosts, down, refused):
    absent.declare_down(down)
    groups = {"etcd": ["a", "b", "c"], "edge": ["a", "b"]}
    assert len(list(absent.majority_problems("inventories/mine.py", groups))) == refused


def test_one_of_two_is_half_and_no_majority(hosts):
    absent.declare_down(["a"])
    (problem,) = absent.majority_problems("inventories/mine.py", {"redis": ["a", "b"]})
    assert "at most 0" in str(problem)


@pytest.mark.parametrize(("address", "good"), [("10.0.0.1", True), ("10.0.0.300", False), ("etcd1.internal", True)])
def test_patronis_validator_dials_nobody(address, good):
    offline = Offline()
    assert offline.socket().connect_ex((address, 2379)) == 0
    if good:
        assert offline.getaddrinfo(address, None)[0][4][0] == address
    else:
        with pytest.raises(offline.gaierror):
            offline.getaddrinfo(address, None)
