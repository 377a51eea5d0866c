"""Redis as a drill sees it: asked as administrator, on the machine itself."""

import json
from collections.abc import Collection, Iterable
from itertools import pairwise

from checklist.hosts import CheckedHost, Hosts
from xteam_infra.estate import Estate
from xteam_infra.layers.redis.needs import SENTINEL, SENTINEL_UNIT, unit


def ask(host: CheckedHost, role: str, command: str) -> str:
    """A command's answer."""
    answer: str = host.check_output(f"xteam-redis {role} {command}")
    return answer


def info(host: CheckedHost, role: str, field: str) -> str:
    """One value of INFO; empty when the instance doesn't say it."""
    lines = ask(host, role, "INFO").splitlines()
    return next((line.strip().partition(":")[2] for line in lines if line.startswith(f"{field}:")), "")


def master_of(host: CheckedHost, hosts: Hosts, role: str) -> CheckedHost:
    """The machine that Sentinel calls the master of a role."""
    address = json.loads(ask(host, SENTINEL, f"--json SENTINEL GET-MASTER-ADDR-BY-NAME {role}"))[0]
    return next(one for one in hosts.group("redis") if one.address == address)


def masters(host: CheckedHost, hosts: Hosts, estate: Estate) -> dict[str, str]:
    """{role: name of its master's machine}."""
    return {role: master_of(host, hosts, role).name for role in estate.redis.redis_instances}


def started(hosts: Hosts, estate: Estate) -> dict[tuple[str, str], str]:
    """{(machine, unit): when it started}."""
    units = [*map(unit, estate.redis.redis_instances), SENTINEL_UNIT]
    show = f"systemctl show -p ActiveEnterTimestampMonotonic --value {' '.join(units)}"
    return {
        (one.name, name): at
        for one in hosts.group("redis")
        for name, at in zip(units, one.check_output(show).split(), strict=True)
    }


def all_follow(host: CheckedHost, hosts: Hosts, estate: Estate, roles: Collection[str] = ()) -> bool:
    """Whether every instance but the masters is a replica in touch with its master."""
    for role in roles or estate.redis.redis_instances:
        leads = master_of(host, hosts, role).name
        for one in hosts.group("redis"):
            wanted = ("master", "") if one.name == leads else ("slave", "up")
            if (info(one, role, "role"), info(one, role, "master_link_status")) != wanted:
                return False
    return True


def acknowledged_alone(moments: Iterable[float], began: float) -> list[float]:
    """Of the moments of acknowledged writes, those of a cut-off master: from the cut to the first pause of a second."""
    after = [moment for moment in moments if moment >= began]
    stopped = next((sooner for sooner, later in pairwise(after) if later - sooner > 1), None)
    return [moment for moment in after if stopped is None or moment <= stopped]
