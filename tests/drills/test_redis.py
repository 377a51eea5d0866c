"""Drills on Redis: what is claimed about failovers and full memory, carried out on the running estate.

They interrupt service for seconds. The evidence in the report holds the figures.
"""

import pytest

from checklist.run import not_applicable
from tests.drills.harness.redis import ask, info, master_of
from tests.drills.harness.writers import redis_orders
from xteam_infra.layers.redis.needs import unit

pytestmark = pytest.mark.group("redis", first=True)
KEY = "xteam-drill"


@pytest.mark.item("RED-05", "TST-06")
def test_hung_redis_master_is_replaced(host, hosts, estate, secret, write, faults, figures, eventually):
    """The queue's master stops answering: another takes over, no acknowledged task is lost, the old one follows."""
    members = hosts.group("redis")
    if len(members) == 1:
        not_applicable("one Redis host: nobody to fail over to")
    old = master_of(host, hosts, "queue")
    writer_host = next(one for one in members if one.name != old.name)
    writer = write(writer_host, redis_orders(estate, secret, "queue", KEY))
    faults.freeze(old.name, unit("queue"))
    eventually(lambda: master_of(writer_host, hosts, "queue").name != old.name, seconds=120, interval=0.5)
    writer.goes_on(eventually, seconds=120)
    faults.thaw(old.name, unit("queue"))
    eventually(lambda: info(old, "queue", "role") == "slave", seconds=60, interval=1)
    eventually(lambda: info(old, "queue", "master_link_status") == "up", seconds=60, interval=1)
    result = writer.result(eventually)
    figures.update(result.figures())
    assert result.acknowledged > 50, f"only {result.acknowledged} tasks: the drill shows nothing"
    assert result.lost == 0, f"acknowledged tasks were lost: {result}"


VALUE = "x" * 10_000
ROOM = 2 * 1024 * 1024


@pytest.fixture
def little_room(host, hosts, estate):
    """Give a role's master little room; afterwards it has what it had, and the drill's keys are gone.

    Yields a function that returns the master and how many keys are three times too many.
    """
    done = []

    def limit(role):
        master = master_of(host, hosts, role)
        done.append((master, role))
        # The replicas' backlog counts as used memory, and grows to its full size while keys are written.
        grows = int(info(master, role, "repl_backlog_size")) - int(info(master, role, "mem_replication_backlog"))
        room = ROOM + max(grows, 0)
        ask(master, role, f"CONFIG SET maxmemory {int(info(master, role, 'used_memory')) + room}")
        return master, 3 * room // len(VALUE)

    yield limit
    for master, role in done:
        wanted = estate.redis.redis_instances[role].memory_mb * 1024 * 1024
        ask(master, role, f"CONFIG SET maxmemory {wanted}")
        master.run(f"{scan(estate, role)} | xargs -r -n 100 xteam-redis {role} UNLINK")


def prefix(estate, role):
    return estate.redis.redis_instances[role].app_keys[0].replace("*", "") + f"{KEY}-fill-"


def scan(estate, role):
    return f"xteam-redis {role} --scan --pattern '{prefix(estate, role)}*'"


def fill(master, estate, role, keys):
    """Write that many keys of 10 KB; the answers."""
    lines = "".join(f"SET {prefix(estate, role)}{number} {VALUE}\n" for number in range(keys))
    return [
        line for line in master.run_with_stdin(f"xteam-redis {role}", lines, timeout=60).stdout.splitlines() if line
    ]


@pytest.mark.item("RED-06")
def test_full_redis_cache_evicts(little_room, estate):
    """Three times what fits: every write succeeds, older keys go."""
    master, keys = little_room("cache")
    before = int(info(master, "cache", "evicted_keys"))
    said = fill(master, estate, "cache", keys)
    assert said == ["OK"] * keys, f"a full cache refuses writes: {set(said) - {'OK'}}"
    assert int(info(master, "cache", "evicted_keys")) > before, "nothing was evicted"


@pytest.mark.item("RED-06")
@pytest.mark.parametrize("role", ["queue", "blacklist"])
def test_full_redis_queue_refuses_writes(little_room, estate, role):
    """What was accepted stays, the rest is refused with an error the client sees; nothing is evicted."""
    master, keys = little_room(role)
    before = info(master, role, "evicted_keys")
    said = fill(master, estate, role, keys)
    accepted = said.count("OK")
    assert 0 < accepted < keys, f"{accepted} of {keys} writes were accepted"
    assert all(line == "OK" or line.startswith("OOM") for line in said), f"unexpected: {set(said) - {'OK'}}"
    assert info(master, role, "evicted_keys") == before, f"{role} evicts"
    kept = len(master.check_output(scan(estate, role)).split())
    assert kept == accepted, f"{accepted} writes were accepted, {kept} keys are there"
