"""Drills on what Redis loses, and for how long it is away: a killed process, power loss, a host that is cut off.

In a lab, but for the first. Figures are kept with each result.
"""

import time

import pytest

from tests.drills.harness.redis import acknowledged_alone, all_follow, ask, master_of
from tests.drills.harness.writers import redis_orders
from xteam_infra.layers.redis.needs import unit

pytestmark = pytest.mark.group("redis", first=True)
KEY = "xteam-drill"
ROLE = "queue"
PATIENCE = 180
# Replicas report once a second, and the master looks once a second.
REPORTS_SECONDS = 2


@pytest.fixture
def whole(hosts, estate, eventually):
    """Wait until every replica of a role follows. host: one that can be asked."""

    def wait(host, role=ROLE):
        eventually(lambda: all_follow(host, hosts, estate, [role]), seconds=PATIENCE, interval=1)

    return wait


@pytest.mark.item("RED-01")
@pytest.mark.parametrize("policy", ["everysec", "always"])
@pytest.mark.parametrize("role", ["queue", "sessions", "blacklist"])
def test_killed_redis_loses_no_acknowledged_write(
    host, hosts, estate, secret, write, figures, whole, eventually, role, policy
):
    """kill -9 under writes. A killed process leaves what it wrote with the kernel, whenever that is synced."""
    master = master_of(host, hosts, role)
    whole(host, role)
    ask(master, role, f"CONFIG SET appendfsync {policy}")
    try:
        writer = write(host, redis_orders(estate, secret, role, KEY))
        master.check_output(f"systemctl kill --signal KILL --kill-whom main {unit(role)}")
        writer.goes_on(eventually, PATIENCE)
        whole(host, role)
        result = writer.result(eventually)
    finally:
        ask(master, role, f"CONFIG SET appendfsync {estate.redis.redis_instances[role].appendfsync}")
    figures.update(result.figures())
    assert result.acknowledged > 50, f"only {result.acknowledged} writes: the drill shows nothing"
    assert result.lost == 0, f"acknowledged writes were lost: {result}"


@pytest.mark.item("RED-05", "TST-06")
def test_power_loss(host, hosts, estate, secret, redis_hosts, write, faults, figures, whole, eventually):
    """The master's host loses its power: another takes over, no acknowledged task is lost, the old one follows."""
    whole(host)
    old = master_of(host, hosts, ROLE)
    other = next(one for one in redis_hosts if one.name != old.name)
    writer = write(other, redis_orders(estate, secret, ROLE, KEY))
    time.sleep(2)
    faults.kill(old.name)
    writer.goes_on(eventually, PATIENCE)
    assert master_of(other, hosts, ROLE).name != old.name
    faults.start(old.name)
    whole(other)
    result = writer.result(eventually)
    figures.update(result.figures())
    assert result.lost == 0, f"acknowledged tasks were lost: {result}"


@pytest.mark.item("RED-05", "TST-06")
def test_partitioned_redis_master_stops_accepting_writes(
    host, hosts, estate, secret, redis_hosts, write, faults, figures, whole, eventually
):
    """The worst place for a client: it sees no fault. Its master must stop it before much is lost that others replace.

    Lost is at most what was acknowledged within the lag after which replicas no longer count.
    """
    whole(host)
    old = master_of(host, hosts, ROLE)
    other = next(one for one in redis_hosts if one.name != old.name)
    orders = {**redis_orders(estate, secret, ROLE, KEY), "sentinels": [old.address]}
    writer = write(old, orders)
    time.sleep(2)
    before = writer.acknowledged()
    began = faults.cut(old.name)
    eventually(lambda: master_of(other, hosts, ROLE).name != old.name, seconds=PATIENCE, interval=0.3)
    figures["new_master_seconds"] = round(time.time() - began, 1)
    time.sleep(estate.redis.redis_instances[ROLE].max_lag_s + REPORTS_SECONDS)
    faults.heal(old.name)
    whole(other)
    writer.goes_on(eventually, PATIENCE)
    moments = [float(line.split()[1]) for line in old.check_output(f"cat {writer.directory}/ledger").splitlines()]
    alone = acknowledged_alone(moments, began)
    figures["acknowledged_while_cut_off_seconds"] = round(max(alone, default=began) - began, 1)
    result = writer.result(eventually)
    figures.update(result.figures())
    assert before > 20 and result.acknowledged > before
    assert result.lost <= len(alone), f"more was lost than was acknowledged while cut off: {result}"
    limit = estate.redis.redis_instances[ROLE].max_lag_s + REPORTS_SECONDS
    assert "NOREPLICAS" in " ".join(result.said), f"the cut-off master never refused: {result}"
    assert max(alone, default=began) - began <= limit + REPORTS_SECONDS, f"it went on for too long: {figures}"
