"""The cluster's declaration: what is refused, and who is fit to take over."""

import json

import pytest

from xteam_infra.engine.runtime import _templates
from xteam_infra.layers.etcd.facts import EtcdMembers
from xteam_infra.layers.postgres.facts import ClusterMembers
from xteam_infra.layers.postgres.rolling_update import broken
from xteam_infra.layers.postgres.switchover import switchover_problems


def seen(name, role, state="streaming", **more):
    return {"name": name, "role": role, "state": state, "lag": 0, **more}


LEADER = seen("db1", "leader", "running")
SYNC, ASYNC = seen("db2", "sync_standby"), seen("db3", "replica")


@pytest.mark.parametrize("number", [2, 4])
def test_an_even_number_of_etcd_hosts_is_refused(declaration, number):
    declaration.hosts |= {f"more{n}": ("etcd",) for n in range(number - 1)}
    said = declaration.problems()["etcd"]
    assert f"{number} hosts" in said and "1, 3 or 5 hosts" in said and "inventories/mine.py" in said


@pytest.mark.parametrize(
    ("timing", "allowed"),
    [
        ({"ttl": 15, "loop_wait": 3, "retry_timeout": 5}, "greater than or equal to 20"),
        ({"ttl": 20, "loop_wait": 10, "retry_timeout": 10}, "loop_wait + 2 * retry_timeout <= ttl"),
        ({"ttl": 20, "loop_wait": 5, "retry_timeout": 1}, "greater than or equal to 3"),
        ({"ttl": 20, "loop_wait": 5}, "retry_timeout"),
        ({"ttl": "soon", "loop_wait": 5, "retry_timeout": 5}, "valid integer"),
    ],
)
def test_a_timing_that_can_not_hold_is_refused(declaration, timing, allowed):
    declaration.own["postgres_timing"] = timing
    found = {key: said for key, said in declaration.problems().items() if key.startswith("postgres_timing")}
    assert found and any("group_data/mine.py" in said and allowed in key + said for key, said in found.items()), found


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [("postgres_rto", "faster", "'fast', 'normal' or 'safe'"), ("postgres_synchronous", "strict", "with one member")],
)
def test_a_preset_that_makes_no_sense_is_refused(declaration, key, value, allowed):
    declaration.own[key] = value
    assert allowed in declaration.problems()[key]


@pytest.mark.parametrize(
    ("members", "data", "said"),
    [
        ([LEADER, SYNC, ASYNC], {}, None),
        ([LEADER, SYNC, ASYNC], {"candidate": "db2"}, None),
        ([LEADER, SYNC, ASYNC], {"candidate": "db3"}, "db3 is not fit: db3 (replica, streaming, lag 0)"),
        ([LEADER, SYNC, ASYNC], {"candidate": "db3", "postgres_synchronous": "off"}, None),
        ([LEADER, SYNC], {"candidate": "db1"}, "leads already"),
        ([LEADER, SYNC], {"candidate": "db9"}, "a member: db1, db2"),
        ([LEADER], {}, "db1 (leader, running"),
        ([LEADER, ASYNC], {}, "a synchronous one, when commits wait"),
        ([LEADER, seen("db2", "sync_standby", "starting")], {}, "db2 (sync_standby, starting"),
        ([LEADER, seen("db2", "sync_standby", tags={"nofailover": True})], {}, "one that streams"),
        ([seen("db1", "leader", "stopped"), SYNC], {}, "a running leader"),
        ([SYNC, ASYNC], {}, "a running leader"),
        ([], {}, "no answer from Patroni"),
    ],
)
def test_who_can_take_over(ha, members, data, said):
    ha.own |= data
    found = "\n".join(map(str, switchover_problems(ha.read(), members)))
    assert (said in found) if said else not found, found


@pytest.mark.parametrize(
    ("members", "paused", "said"),
    [
        ([LEADER, SYNC, ASYNC], False, None),
        ([LEADER, SYNC, ASYNC], True, "xteam-patronictl resume"),
        ([LEADER, SYNC], False, "db3 down, or behind"),
        ([LEADER, SYNC, seen("db3", "replica", "starting")], False, "db3 down, or behind"),
        ([LEADER, ASYNC, seen("db2", "replica")], False, "a synchronous one"),
        ([seen("db1", "replica"), SYNC, ASYNC], False, "a running leader"),
        ([], False, "no answer from Patroni"),
    ],
)
def test_whose_members_may_be_restarted(ha, members, paused, said):
    found = "\n".join(map(str, broken(ha.read(), members, paused)))
    assert (said in found) if said else not found, found


def test_one_member_alone_may_be_restarted_and_none_can_not(declaration, ha):
    assert not list(broken(declaration.read(), [seen("solo1", "leader", "running")], False))
    ha.hosts = {name: groups for name, groups in ha.hosts.items() if "postgres" not in groups}
    assert "a PostgreSQL host" in "\n".join(map(str, broken(ha.read(), [], False)))


def test_patroni_uses_a_watchdog_where_there_is_one():
    lines = {}
    for there in (True, False):
        text = _templates().loader.get_source(_templates(), "postgres/patroni.yml.j2")[0].partition("watchdog:")[2]
        lines[there] = _templates().from_string(text).render(watchdog=there, watchdog_device="/dev/watchdog")
    assert "mode: automatic" in lines[True] and "device: /dev/watchdog" in lines[True]
    assert 'mode: "off"' in lines[False] and "device:" not in lines[False]


def test_what_patroni_and_etcd_answer_is_understood():
    listed = {"members": [{"ID": 2188953787379593346, "name": "db3", "peerURLs": ["https://10.0.0.3:2380"]}]}
    assert EtcdMembers().process([json.dumps(listed)]) == {"1e60b9df3e81b082": ("db3", "https://10.0.0.3:2380")}
    assert EtcdMembers().process([]) == {}
    assert ClusterMembers().process([json.dumps({"members": [LEADER]})]) == [LEADER]
    assert ClusterMembers().process(["curl: (7) refused"]) == []
