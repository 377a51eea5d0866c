"""Refuses hosts on which the declaration can't be carried out, all of them at once, before any is changed."""

import time
from collections.abc import Iterator

from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from pyinfra import inventory

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.engine.facts.fitness import Fitness, HostFitness
from xteam_infra.engine.runtime import authority, open_estate
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.plan.compose import plans

SUPPORTED = (DISTRIBUTION.os,)
CLOCK_SKEW_SECONDS = 30  # certificates are dated five minutes back; logs and tokens want better than that
_lock = BoundedSemaphore()
_found: list[list[Problem]] = []


def validate_hosts() -> None:
    """Raise SettingsError with every problem of every host of this run. Reads all hosts once."""
    with _lock:
        if not _found:
            _found.append(_all_problems(open_estate()))
    if _found[0]:
        raise SettingsError(_found[0])


def _all_problems(estate: Estate) -> list[Problem]:
    authority()  # an unreachable store or an expired CA must show here, not half-way
    hosts = list(inventory.get_active_hosts())
    facts = Pool(20).map(lambda one: one.get_fact(HostFitness, _sudo=True), hosts)
    return [p for one, fitness in zip(hosts, facts, strict=True) for p in host_problems(estate, one.name, fitness)]


def host_problems(estate: Estate, name: str, fitness: Fitness) -> Iterator[Problem]:
    """What is wrong with one host."""
    where = f"host {name}"
    if fitness.os not in SUPPORTED:
        yield Problem(where, "operating system", fitness.os, ", ".join(SUPPORTED))
    if fitness.init != "systemd":
        yield Problem(where, "init system", fitness.init, "systemd")
    if fitness.user != "root":
        yield Problem(where, "sudo", f"commands run as {fitness.user}", "an SSH user with passwordless sudo")
    if abs(fitness.clock - time.time()) > CLOCK_SKEW_SECONDS:
        skew = int(fitness.clock - time.time())
        yield Problem(
            where, "clock", f"{skew:+d} s from the controller's", f"at most {CLOCK_SKEW_SECONDS} s: set up NTP"
        )
    if fitness.disk_free_gb < estate.base.disk_free_min_gb:
        allowed = f"{estate.base.disk_free_min_gb} GB (disk_free_min_gb in group_data/base.py)"
        yield Problem(where, "free space on /", f"{fitness.disk_free_gb} GB", allowed)
    yield from _memory_problems(estate, name, fitness.memory_mb)


def _memory_problems(estate: Estate, name: str, memory_mb: int) -> Iterator[Problem]:
    uses = plans(estate)[name].memory_mb
    reserve = estate.base.memory_reserve_mb
    total = sum(uses.values()) + reserve
    if total > memory_mb:
        parts = ", ".join(f"{service} {mb}" for service, mb in sorted(uses.items(), key=lambda item: -item[1]))
        found = f"{total} MiB planned ({parts}, reserve {reserve})"
        yield Problem(
            f"host {name}", "memory", found, f"at most the host's {memory_mb} MiB: lower one, or use a larger host"
        )
