"""systemd units: enabled, running, and running with the files that are there now."""

import shlex
from collections.abc import Sequence

from pyinfra import host, state
from pyinfra.api import OperationValueError, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.files import FileStates
from xteam_infra.engine.facts.services import APPLIED, Services, digest_command
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.operations.pending import is_pending

ENABLED = {"enabled", "static", "generated", "alias", "indirect"}
HEALTH_SECONDS = 60


@operation()
def service(
    unit: str,
    inputs: Sequence[HostFile | str] | None = None,
    action: str = "restart",
    health: str = "",
    health_seconds: int = HEALTH_SECONDS,
) -> Commands:
    """Keep a unit enabled and running with its present inputs.

    inputs: the files (or paths) whose change calls for `action`. The stamp of the inputs is written only after the
        unit is healthy, so a run that died between file and restart is made good by the next one.
    action: "restart" or "reload" (a unit that is not running is started).
    health: a shell command that succeeds once the unit serves; retried for `health_seconds`.
    """
    if action not in ("restart", "reload"):
        raise OperationValueError(f"action must be restart or reload, not {action}")
    files = inputs or []
    paths = [file.dest if isinstance(file, HostFile) else file for file in files]
    found = host.get_fact(Services, unit=unit, paths=paths)
    running = found.active == "active" and found.enabled in ENABLED
    if running and found.applied and not found.stale and not will_differ(files):
        host.noop(f"{unit} is running with its present files")
        return
    verb = action if found.active == "active" and found.enabled != "masked" else "restart"
    yield _apply(unit, paths, verb, found.enabled, health, health_seconds)


def will_differ(files: Sequence[HostFile | str]) -> bool:
    """Before anything ran: whether an earlier operation of this run is about to change an input."""
    if state.is_executing:
        return False
    if any(is_pending(path) for path in files if isinstance(path, str)):
        return True
    rendered = [file for file in files if isinstance(file, HostFile)]
    current = host.get_fact(FileStates, paths=[file.dest for file in rendered]) if rendered else {}
    return any((now := current.get(f.dest)) is None or now.sha256 != f.wanted.sha256 for f in rendered)


def _apply(unit: str, paths: list[str], verb: str, enabled: str, health: str, seconds: int) -> StringCommand:
    name, stamp = shlex.quote(unit), shlex.quote(f"{APPLIED}/{unit}")
    why = f"journalctl --no-pager -n 20 -u {name} >&2; exit 1"
    steps = [f"set -e; mkdir -p {APPLIED}; rm -f {stamp}"]
    if enabled == "masked":
        steps.append(f"systemctl unmask {name}")
    steps.append("systemctl daemon-reload")
    if enabled not in ENABLED - {"indirect"}:
        steps.append(f"systemctl enable -q {name}")
    steps.append(f"systemctl reset-failed {name} 2>/dev/null || true")
    steps.append(f"systemctl {verb} {name} || {{ {why}; }}")
    if health:
        loop = f"until {health}; do sleep 0.3; done >/dev/null 2>&1"
        message = f"{unit} is not healthy after {seconds} s: {health}"
        steps.append(f"timeout {seconds} sh -c {shlex.quote(loop)} || {{ echo {shlex.quote(message)} >&2; {why}; }}")
    return StringCommand("; ".join(steps), "; (", digest_command(paths), f") > {stamp}")


@operation()
def disable_removed(units: list[str]) -> Commands:
    """Stop and disable units that a host no longer has to run. Their files and data stay."""
    states = {unit: host.get_fact(Services, unit=unit, paths=[]) for unit in units}
    present = [
        u for u, found in states.items() if found.active in ("active", "activating") or found.enabled == "enabled"
    ]
    if not present:
        host.noop("none of them runs here")
        return
    names = " ".join(map(shlex.quote, present))
    stamps = " ".join(shlex.quote(f"{APPLIED}/{unit}") for unit in present)
    yield StringCommand(f"systemctl disable -q --now {names} && rm -f {stamps}")


@operation()
def stopped(unit: str) -> Commands:
    """Keep a unit stopped and masked, so that nothing starts it."""
    found = host.get_fact(Services, unit=unit, paths=[])
    if found.enabled == "masked" and found.active in ("inactive", "failed", "unknown"):
        host.noop(f"{unit} is masked")
        return
    name = shlex.quote(unit)
    yield StringCommand(f"systemctl stop {name} 2>/dev/null; systemctl mask -q {name}")
