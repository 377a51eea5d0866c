"""Restarts of Redis and Sentinel: what follows first, what leads after a planned hand-over; and stale roles removed."""

from collections.abc import Iterable, Iterator, Mapping

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.services import Services
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.operations.services import ENABLED, HEALTH_SECONDS, _apply, will_differ
from xteam_infra.engine.pyinfra_internals import shows_diff
from xteam_infra.layers.redis.facts import CLI, STATE, ReplicationRole, StaleRoles
from xteam_infra.layers.redis.operations import SENTINEL, healthy

Inputs = Mapping[str, list[HostFile | str]]
HAND_OVER = "/usr/local/sbin/xteam-redis-handover"


@operation()
def restart_followers(units: Mapping[str, str], inputs: Inputs) -> Commands:
    """Restart this host's units that run with older files, but for the masters; enable those that are not.

    A unit that does not run at all is left to `start`. units: {unit: role}. inputs: {unit: the files it runs with}.
    """
    leading = _leading(units.values())
    old = [unit for unit in _outdated(units, inputs) if units[unit] not in leading]
    disabled = _disabled(units, old)
    if not old and not disabled:
        host.noop("whatever follows runs with its present files")
    for unit in disabled:
        yield StringCommand(f"systemctl enable -q {unit}")
    for unit in old:
        yield _restart(unit, units[unit], inputs[unit])


@operation()
def restart_masters(units: Mapping[str, str], inputs: Inputs, members: int) -> Commands:
    """Restart this host's masters that run with older files, each after it handed over to a replica.

    members: hosts of the group; a single one has nobody to hand over to.
    """
    leading = _leading(units.values())
    # What was outdated and followed has been restarted before; while planning that is still to come.
    old = [unit for unit in _outdated(units, inputs) if state.is_executing or units[unit] in leading]
    if not old:
        host.noop("every master runs with its present files")
    for unit in old:
        role = units[unit]
        if role in leading and members > 1:
            _say(f"{role}: another host becomes master, then this one is restarted")
            yield StringCommand(HAND_OVER, role)
        yield _restart(unit, role, inputs[unit])


@operation()
def remove_stale_roles(declared: list[str]) -> Commands:
    """Stop roles that are declared no more and remove their files. Their data stays in /var/lib/redis/ROLE."""
    left = [role for role in host.get_fact(StaleRoles) if role not in declared]
    if not left:
        host.noop("no role is left over")
    for role in left:
        _say(f"{role} is declared no more: stopped; its data stays in {STATE}/{role}")
        unit = f"redis-server@{role}.service"
        forget = f"{CLI} {SENTINEL} SENTINEL REMOVE {role} >/dev/null 2>&1 || true"
        stop = f"systemctl disable -q --now {unit} 2>/dev/null || true"
        # Not with !, which `set -e` takes for a success.
        runs = f"if systemctl is-active -q {unit}; then echo '{unit} does not stop: its files stay' >&2; exit 1; fi"
        paths = [
            f"/etc/redis/redis-{role}.conf /etc/redis/redis-{role}.start.conf /etc/redis/redis-{role}.acl",
            f"/etc/xteam/redis/{role}.pass /etc/xteam/redis/{role}.replica.pass",
            f"/etc/systemd/system/{unit}.d/10-xteam.conf",
            f"/var/lib/xteam/applied/{unit} /var/lib/xteam/applied/redis-{role}.*",
        ]
        yield StringCommand(f"set -e; {forget}; {stop}; {runs}; rm -f {' '.join(paths)}; systemctl daemon-reload")


def _leading(roles: Iterable[str]) -> set[str]:
    asked = [role for role in roles if role != SENTINEL]
    return {role for role, master in host.get_fact(ReplicationRole, roles=asked).items() if not master}


def _outdated(units: Mapping[str, str], inputs: Inputs) -> Iterator[str]:
    """Units with other files than are (or are about to be) there. While planning, only those that run."""
    for unit in units:
        found = host.get_fact(Services, unit=unit, paths=_paths(inputs[unit]))
        if found.active != "active":
            if state.is_executing:
                yield unit
        elif not found.applied or found.stale or will_differ(inputs[unit]):
            yield unit


def _disabled(units: Mapping[str, str], old: list[str]) -> list[str]:
    states = {unit: host.get_fact(Services, unit=unit, paths=[]) for unit in units if unit not in old}
    return [unit for unit, found in states.items() if found.active == "active" and found.enabled not in ENABLED]


def _restart(unit: str, role: str, files: list[HostFile | str]) -> StringCommand:
    return _apply(unit, _paths(files), "restart", "", healthy(role), HEALTH_SECONDS)


def _paths(files: list[HostFile | str]) -> list[str]:
    return [one.dest if isinstance(one, HostFile) else one for one in files]


def _say(text: str) -> None:
    if shows_diff():
        logger.info("%s%s", host.print_prefix, text)
