"""Drills on what deploys/redis.py does to running instances: nothing it need not, and no write is lost."""

from pathlib import Path

import pytest

from checklist.rerun import deploy, planned
from tests.drills.harness.redis import all_follow, ask, masters, started
from tests.drills.harness.writers import redis_orders
from xteam_infra.layers.redis.needs import SENTINEL, unit

pytestmark = pytest.mark.group("redis", first=True)
DEPLOY = Path("deploys/redis.py")
KEY = "xteam-drill"


@pytest.mark.item("RED-05")
def test_redis_deploy_after_failover_changes_nothing(host, hosts, estate, redis_hosts, eventually, pytestconfig):
    """Every master is moved; the next run plans nothing, restarts nothing and leaves them where they are."""
    before = masters(host, hosts, estate)
    for role in before:
        ask(host, SENTINEL, f"SENTINEL FAILOVER {role}")
    eventually(lambda: not set(before.items()) & set(masters(host, hosts, estate).items()), seconds=120, interval=1)
    eventually(lambda: all_follow(host, hosts, estate), seconds=120, interval=1)
    moved, running = masters(host, hosts, estate), started(hosts, estate)
    inventory = pytestconfig.getoption("inventory")
    assert planned(inventory, DEPLOY, "") == []
    deploy(inventory, DEPLOY, "")
    assert masters(host, hosts, estate) == moved, "the deploy moved a master"
    assert started(hosts, estate) == running, "the deploy restarted something"


@pytest.mark.item("RED-05")
def test_rolling_restart_of_redis_loses_no_write(
    host, hosts, estate, secret, redis_hosts, write, figures, eventually, pytestconfig
):
    """What only a restart changes: every instance of the queue restarts once, its master after it handed over."""
    eventually(lambda: all_follow(host, hosts, estate), seconds=120, interval=1)
    old, before = masters(host, hosts, estate), started(hosts, estate)
    writer = write(host, redis_orders(estate, secret, "queue", KEY))
    for one in redis_hosts:
        one.check_output("touch /etc/redis/redis-queue.start.conf")
    inventory = pytestconfig.getoption("inventory")
    assert len(planned(inventory, DEPLOY, "")) == len(redis_hosts), "the dry run names more or less than the restarts"
    deploy(inventory, DEPLOY, "")
    writer.goes_on(eventually, seconds=60)
    result = writer.result(eventually)
    figures.update(result.figures())
    after = started(hosts, estate)
    restarted = {key for key in before if after[key] != before[key]}
    assert restarted == {(one.name, unit("queue")) for one in redis_hosts}, f"restarted: {sorted(restarted)}"
    now = masters(host, hosts, estate)
    assert now["queue"] != old["queue"], "the master was restarted without handing over"
    assert {**now, "queue": ""} == {**old, "queue": ""}, "another role's master moved"
    assert result.lost == 0, f"acknowledged tasks were lost: {result}"
