"""First backups and proofs of every Redis role, once for each role that is there: one that was made anew has none."""

import time
from collections.abc import Iterable

from pyinfra import host, inventory
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import ConnectError

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.shell_condition import ShellCondition
from xteam_infra.engine.operations.ensure import UNREACHED, started
from xteam_infra.layers.redis.facts import Born
from xteam_infra.machine import Machine

# Two hosts' clocks may be so far apart (seconds).
CLOCKS = 60


@operation()
def first_of_each_role(job: str, unit: str, hosts: Iterable[Machine], roles: Iterable[str]) -> Commands:
    """Do a job of xteam-redis-backup unless it was done for the data that every role has now.

    job: take, copy or prove. hosts: the Redis machines.
    """
    since = born(hosts, roles)
    check = " ".join(["xteam-redis-backup", "done", job, *(f"{role}={since[role]:.0f}" for role in sorted(since))])
    if host.get_fact(ShellCondition, check=check):
        host.noop(f"already true: {check}")
        return
    yield StringCommand(f"{{ {started(unit)}\n}} && {{ {check}", UNREACHED)


def born(hosts: Iterable[Machine], roles: Iterable[str]) -> dict[str, float]:
    """Since when the estate has each role's data: the oldest of its hosts. Now, when none has any."""
    found: dict[str, list[float]] = {role: [] for role in roles}
    for machine in up(tuple(hosts)):
        try:
            moments = inventory.get_host(machine.name).get_fact(Born, _sudo=True)
        except ConnectError:
            continue
        for role in found:
            found[role] += [moments[role]] if role in moments else []
    return {role: max(0, min(moments, default=time.time()) - CLOCKS) for role, moments in found.items()}
