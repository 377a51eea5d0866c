"""Reboots as planned work: one host after another, each only while everything else is whole."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from gevent.pool import Pool
from pyinfra import inventory, logger, state
from pyinfra.api import FactBase, FunctionCommand, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.once import OncePer
from xteam_infra.engine.pyinfra_internals import run_with, tune_connection
from xteam_infra.engine.runtime import open_estate
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.base.update_facts import PROGRAM, Leads, UpdatesWaiting
from xteam_infra.machine import Machine
from xteam_infra.settings.base import DAY_MINUTES, window_minutes

# A host with many services, and a replica that catches up.
BACK_SECONDS = 600
WHOLE_SECONDS = 600
ANSWER_SECONDS = 20
BOOT = "cat /proc/sys/kernel/random/boot_id"
T = TypeVar("T")
_orders: OncePer[tuple[Machine, ...]] = OncePer()


def in_order(estate: Estate) -> tuple[Machine, ...]:
    """The machines to reboot, those that lead last. Raises SettingsError when this is not the time for it."""
    return _orders.ask(state.inventory, lambda: _ordered(estate))


def _ordered(estate: Estate) -> tuple[Machine, ...]:
    chosen = _chosen(estate)
    if chosen and (problems := [*_outside(estate), *not_whole()]):
        raise SettingsError(problems)
    led = dict(zip(chosen, _each(chosen, Leads), strict=True))
    order = tuple(sorted(chosen, key=lambda machine: led[machine]))
    names = ", ".join(machine.name for machine in order)
    logger.info("--> To be rebooted, in this order: %s", names or "no host: nothing waits for it")
    return order


def _chosen(estate: Estate) -> list[Machine]:
    """Those that are named; otherwise those of this run that wait."""
    here = [machine for machine in estate.machines if _taking_part(machine.name)]
    names = [name.strip() for name in (estate.base.hosts or "").split(",") if name.strip()]
    known = [machine.name for machine in here]
    if unknown := [name for name in names if name not in known]:
        allowed = f"hosts that take part in this run: {', '.join(known)}"
        raise SettingsError([Problem("--data", "hosts", ", ".join(unknown), allowed)])
    if names:
        return [machine for machine in here if machine.name in names]
    waiting = zip(here, _each(here, UpdatesWaiting), strict=True)
    return [machine for machine, found in waiting if found.get("reboot_since") or found.get("outdated_units")]


def _outside(estate: Estate) -> Iterator[Problem]:
    """Whether the window is shut."""
    window = estate.base.updates_reboot_window
    now = datetime.now(ZoneInfo(estate.base.timezone))
    if window is not None and not estate.base.now and not is_open(window, now):
        allowed = f"a time within {window}, or --data now=true"
        yield Problem("group_data/base.py", "updates_reboot_window", f"it is {now:%H:%M} ({now.tzname()})", allowed)


def is_open(window: str, now: datetime) -> bool:
    """Whether a host may be rebooted now. window: HH:MM-HH:MM, in the zone of `now`."""
    start, length = window_minutes(window)
    return (now.hour * 60 + now.minute - start) % DAY_MINUTES < length


def not_whole() -> list[Problem]:
    """What is not well on any host of this run, all asked at the same time. One that does not answer is not well."""
    hosts = list(inventory.get_active_hosts())
    pairs = zip(hosts, Pool(20).map(_says, hosts), strict=True)
    allowed = "a host is rebooted only while all others are well"
    return [Problem(f"host {one.name}", "whole", line, allowed) for one, lines in pairs for line in lines]


def _says(host: Host) -> list[str]:
    """What a host finds not well, one line each."""
    try:
        done, output = run_with(host, StringCommand(f"{PROGRAM} whole"), _sudo=True, _timeout=WHOLE_SECONDS)
    except Exception as error:  # whatever the reason: it could not be asked
        return [f"it does not answer: {error}"]
    return [] if done else (output.stdout_lines or output.stderr_lines or ["it does not answer"])


def _each(machines: list[Machine], fact: type[FactBase[T]]) -> list[T]:
    """A fact of every machine, asked at the same time."""
    asked: list[T] = Pool(20).map(lambda machine: inventory.get_host(machine.name).get_fact(fact, _sudo=True), machines)
    return asked


def _taking_part(name: str) -> bool:
    return inventory.get_host(name) in inventory.get_active_hosts()


@operation(is_idempotent=False)
def reboot() -> Commands:
    """Hand over what this host leads, take requests away from it, reboot it, and wait until all is whole again."""
    yield FunctionCommand(_ready, (), {})
    yield StringCommand(f"{PROGRAM} leave")
    yield FunctionCommand(_reboot, (), {})
    yield FunctionCommand(_whole_again, (), {})


def _ready(state: State, host: Host) -> bool:
    """The time is right and all is whole, now. The names of the parameters are what pyinfra looks for."""
    problems = [*_outside(open_estate()), *not_whole()]
    return not problems or _failed(host, f"{host.name} is not rebooted", problems)


def _reboot(state: State, host: Host) -> bool:
    """Reboot and come back."""
    before = _boot(host)
    # Detached, so that the session ends before the host does.
    run_with(host, StringCommand("( sleep 1; systemctl reboot ) </dev/null >/dev/null 2>&1 &"), _sudo=True)
    started = time.monotonic()
    while time.monotonic() - started < BACK_SECONDS:
        time.sleep(2)
        host.disconnect()
        host.connect(show_errors=False)
        if host.connected and _boot(host) not in ("", before):
            tune_connection(host)
            logger.info("%sback after %d s", host.print_prefix, time.monotonic() - started)
            return True
    return _failed(host, f"{host.name} is not back {BACK_SECONDS} s after its reboot: look at its console", [])


def _boot(host: Host) -> str:
    """The identity of the host's boot; nothing when it does not answer."""
    try:
        done, output = run_with(host, StringCommand(BOOT), _timeout=ANSWER_SECONDS)
    except Exception:  # whatever the reason: it is asked again
        return ""
    return output.stdout if done else ""


def _whole_again(state: State, host: Host) -> bool:
    """All hosts say that all is whole."""
    started = time.monotonic()
    while problems := not_whole():
        if time.monotonic() - started > WHOLE_SECONDS:
            return _failed(host, f"{host.name} is back, but {WHOLE_SECONDS} s later not all is whole", problems)
        time.sleep(2)
    logger.info("%sall is whole %d s after it was back", host.print_prefix, time.monotonic() - started)
    return True


def _failed(host: Host, what: str, problems: list[Problem]) -> bool:
    """Say why, and end the run."""
    logger.error("%s%s", host.print_prefix, "\n".join([what, *map(str, problems)]))
    return False
