"""Redis as a drill sees it: asked as administrator, on the machine itself."""

import json

from xteam_infra.plan.redis import SENTINEL, SENTINEL_UNIT, unit


def ask(host, role, command):
    """A command's answer."""
    return host.check_output(f"xteam-redis {role} {command}")


def info(host, role, field):
    """One value of INFO; empty when the instance doesn't say it."""
    lines = ask(host, role, "INFO").splitlines()
    return next((line.strip().partition(":")[2] for line in lines if line.startswith(f"{field}:")), "")


def master_of(host, hosts, role):
    """The machine that Sentinel calls the master of a role."""
    address = json.loads(ask(host, SENTINEL, f"--json SENTINEL GET-MASTER-ADDR-BY-NAME {role}"))[0]
    return next(one for one in hosts.group("redis") if one.address == address)


def masters(host, hosts, estate):
    """{role: name of its master's machine}."""
    return {role: master_of(host, hosts, role).name for role in estate.redis.redis_instances}


def started(hosts, estate):
    """{(machine, unit): when it started}."""
    units = [*map(unit, estate.redis.redis_instances), SENTINEL_UNIT]
    show = f"systemctl show -p ActiveEnterTimestampMonotonic --value {' '.join(units)}"
    return {
        (one.name, name): at
        for one in hosts.group("redis")
        for name, at in zip(units, one.check_output(show).split(), strict=True)
    }


def all_follow(host, hosts, estate, roles=()):
    """Whether every instance but the masters is a replica in touch with its master."""
    for role in roles or estate.redis.redis_instances:
        leads = master_of(host, hosts, role).name
        for one in hosts.group("redis"):
            wanted = ("master", "") if one.name == leads else ("slave", "up")
            if (info(one, role, "role"), info(one, role, "master_link_status")) != wanted:
                return False
    return True
