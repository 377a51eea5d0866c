"""Redis and Sentinel, brought to the declaration through their own interfaces: they rewrite their state files."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pyinfra import host, logger, state
from pyinfra.api import OperationError, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.services import APPLIED, digest_command
from xteam_infra.engine.operations.files import HostFile, _replace
from xteam_infra.engine.operations.pending import is_pending
from xteam_infra.engine.pyinfra_internals import shows_diff
from xteam_infra.engine.runtime import secret
from xteam_infra.layers.redis.facts import (
    CLI,
    STATE,
    USERS_DIGEST,
    Instances,
    InstanceState,
    MissingStateFiles,
    NotServing,
    ReplicationRole,
    SentinelMasters,
    certificate_digest,
    loaded_stamp,
)
from xteam_infra.secrets.escape import sentinel

SENTINEL = "sentinel"
SEEDED = "# Made once by xteam-infra; rewritten by the service itself ever since."


def healthy(role: str) -> str:
    """Shell condition: the instance answers, and is a master or in touch with its master; or Sentinel answers."""
    if role == SENTINEL:
        return f"{CLI} {SENTINEL} PING | grep -q PONG"
    return f"{CLI} {role} INFO replication | grep -qE '^(role:master|master_link_status:up)'"


START_SECONDS = 60
# They tell of themselves every two seconds.
AGREED_SECONDS = 60


@operation()
def start(units: Mapping[str, str], inputs: Mapping[str, list[HostFile | str]]) -> Commands:
    """Start and enable the units that do not serve, all at once; the others are left to a rolling restart.

    A unit that runs with a certificate nobody accepts (it expired while the host was off) serves no one, not even
    the administrator who could load another: it is restarted.
    units: {unit: role}. inputs: {unit: the files it runs with}.
    """
    down = host.get_fact(NotServing, units=dict(units))
    if not down:
        host.noop("every unit serves")
        return
    names = " ".join(down)
    why = f"{{ journalctl --no-pager -n 30 $(printf ' -u %s' {names}) >&2; exit 1; }}"
    wait = "; ".join(f"until {healthy(units[unit])}; do sleep 0.3; done" for unit in down)
    yield StringCommand(
        f"set -e; mkdir -p {APPLIED}; systemctl daemon-reload; systemctl enable -q {names};",
        f"systemctl reset-failed {names} 2>/dev/null || true; systemctl restart {names} || {why};",
        f"timeout {START_SECONDS} sh -c {shlex.quote(wait)} >/dev/null 2>&1 ||",
        f"{{ echo 'not healthy after {START_SECONDS} s' >&2; {why}; }};",
        *(bit for unit in down for bit in ("(", digest_command(_paths(inputs[unit])), f") > {APPLIED}/{unit};")),
    )


def _paths(inputs: list[HostFile | str]) -> list[str]:
    return [one.dest if isinstance(one, HostFile) else one for one in inputs]


@operation()
def seed(ports: Mapping[str, int], address: str, members: list[str]) -> Commands:
    """Give every instance, and Sentinel, the state file it starts from; never touch one that is there.

    address: this host's. members: all addresses, those that are up first. An instance follows the master that the
    Sentinels know; if none of them knows one yet, the first member.
    """
    missing = host.get_fact(MissingStateFiles, roles=[*ports, SENTINEL])
    if not missing:
        host.noop("every instance has its state")
        return
    known = host.get_fact(SentinelMasters, addresses=members)
    for role in missing:
        text = SEEDED
        if role != SENTINEL:
            master = _master(known, role) or members[0]
            text += _replicaof(role, master, ports[role], address, role in known)
        # Since when there is this data: backups and proofs from before are of another role of that name.
        yield StringCommand(f"test -e {STATE}/{role}/born || date +%s > {STATE}/{role}/born")
        yield _replace(HostFile(f"{STATE}/{role}/state.conf", text=text, owner="redis", group="redis", mode="640"))


def _replicaof(role: str, master: str, port: int, address: str, is_known: bool) -> str:
    if master != address:
        return f"\nreplicaof {master} {port}"
    if is_known:
        raise OperationError(
            f"the Sentinels call this host the master of {role}, but it holds no data: started empty, its replicas "
            f"would copy that. Make another one master first: xteam-redis sentinel SENTINEL FAILOVER {role}"
        )
    return ""


def _master(known: Mapping[str, dict[str, Any]], role: str) -> str:
    return str(known.get(role, {}).get("ip", ""))


def _instances(roles: Mapping[str, tuple[str, str]], keys: list[str]) -> dict[str, InstanceState]:
    return host.get_fact(Instances, roles=dict(roles), keys=keys)


def _say(role: str, key: str, before: object, wanted: object) -> None:
    if shows_diff():
        logger.info("%s%s %s: %s -> %s", host.print_prefix, role, key, before, wanted)


@operation()
def live_settings(wanted: Mapping[str, dict[str, str]], roles: Mapping[str, tuple[str, str]]) -> Commands:
    """Bring the running settings of every role to `wanted` by CONFIG SET, without a restart.

    wanted: {role: {key: value as CONFIG GET reports it}}. An instance that is not running reads its file when it
    starts. roles: {role: (certificate, key)}.
    """
    keys = sorted({key for values in wanted.values() for key in values})
    found = _instances(roles, keys)
    wrong = {}
    for role, values in wanted.items():
        running = found[role].config if role in found else None
        if running is not None:
            wrong[role] = {key: value for key, value in values.items() if running.get(key) != value}
            for key, value in wrong[role].items():
                _say(role, key, running.get(key), value)
    if not any(wrong.values()):
        host.noop("every instance runs with its settings")
    for role, values in wrong.items():
        if values:
            words = " ".join(f"{key} {shlex.quote(value)}" for key, value in values.items())
            yield StringCommand(f"{CLI} {role} CONFIG SET {words}")


@operation()
def users(files: Mapping[str, HostFile], roles: Mapping[str, tuple[str, str]]) -> Commands:
    """Load the users of every role when its file, or what the instance runs with, is not what was last loaded.

    files: {role: its ACL file}. An instance that refuses the administrator's password is restarted: it then reads
    the file, too.
    """
    found = _instances(roles, ["port"])
    changed = False
    for role, file in files.items():
        now = found.get(role)
        if now and now.loaded["users"] == f"{file.wanted.sha256} {now.users}":
            continue
        changed = True
        yield _load_users(role, file.wanted.sha256, denied=bool(now and now.denied))
    if not changed:
        host.noop("every instance runs with its users")


def _load_users(role: str, sha256: str, denied: bool) -> StringCommand:
    unit = f"redis-server@{role}.service"
    load = f"systemctl restart {unit}" if denied else f"{CLI} {role} ACL LOAD"
    wait = f"timeout 60 sh -c 'until {CLI} {role} PING >/dev/null 2>&1; do sleep 0.3; done'"
    note = f'echo "{sha256} $({CLI} {role} --json ACL LIST | {USERS_DIGEST})" > {loaded_stamp(role, "users")}'
    return StringCommand(f"set -e; {load}; {wait}; {note}")


@operation()
def reload_certificates(roles: Mapping[str, tuple[str, str]]) -> Commands:
    """Make every role read its certificate again when it was renewed. No connection is dropped."""
    found = _instances(roles, ["port"])
    changed = False
    for role, (crt, key) in roles.items():
        now = found.get(role)
        renewed = not state.is_executing and (is_pending(crt) or is_pending(key))
        if now and now.loaded["certificate"] == now.certificate and not renewed:
            continue
        changed = True
        stamp = loaded_stamp(role, "certificate")
        reload = f"{CLI} {role} CONFIG SET tls-cert-file {crt} tls-key-file {key}"
        yield StringCommand(f"set -e; {reload}; {certificate_digest(crt, key)} > {stamp}")
    if not changed:
        host.noop("every instance uses its present certificate")


@operation()
def watch(
    ports: Mapping[str, int], address: str, members: list[str], quorum: int, options: Mapping[str, str]
) -> Commands:
    """Make this host's Sentinel watch the master of every role.

    ports: {role: port}. address: this host's. members: all addresses, to ask who is master. options: SENTINEL SET's.
    """
    watched = host.get_fact(SentinelMasters, addresses=[address])
    missing = [role for role in ports if role not in watched]
    masters = _masters(missing, address, members) if missing else {}
    commands: list[str] = []
    for role, port in ports.items():
        if role in missing:
            commands.append(f"SENTINEL MONITOR {role} {masters[role]} {port} {quorum}")
        commands += _set(role, watched.get(role, {}), {"quorum": str(quorum), **options})
    if not commands:
        host.noop("Sentinel watches every master")
        return
    # On standard input: one of them sets a password.
    yield StringCommand(_each_ok(len(commands)), _stdin="\n".join(commands) + "\n")
    if missing:
        yield StringCommand(_agreed(missing))


def _masters(roles: list[str], address: str, members: list[str]) -> dict[str, str]:
    """Who is master: as the Sentinels say, else as the instance on this host knows, else (nothing runs) the first."""
    known = host.get_fact(SentinelMasters, addresses=members)
    follows = host.get_fact(ReplicationRole, roles=roles)
    local = {role: follows[role] or address for role in follows}
    return {role: _master(known, role) or local.get(role) or members[0] for role in roles}


def _set(role: str, now: Mapping[str, object], options: Mapping[str, str]) -> Iterator[str]:
    password = secret(f"redis/{role}/sentinel")
    digest = hashlib.sha256(password.encode()).hexdigest()
    if now.get("auth") != digest:
        yield f"SENTINEL SET {role} auth-user sentinel auth-pass {sentinel(password)}"
    for key, value in options.items():
        if now.get(key) != value:
            _say(role, f"sentinel {key}", now.get(key), value)
            yield f"SENTINEL SET {role} {key} {value}"


def _agreed(roles: list[str]) -> str:
    """Wait until a majority of Sentinels could replace the master of each role: they find each other by its channel."""
    wait = "; ".join(
        f"until {CLI} {SENTINEL} SENTINEL CKQUORUM {role} | grep -q ^OK; do sleep 0.3; done" for role in roles
    )
    late = f"the Sentinels have not found each other within {AGREED_SECONDS} s; once they can reach each other, run"
    fail = f"{{ echo '{late} deploys/redis.py again' >&2; exit 1; }}"
    return f"timeout {AGREED_SECONDS} sh -c {shlex.quote(wait)} || {fail}"


def _each_ok(count: int) -> str:
    fail = '{ echo "Sentinel refused: $(echo "$answers" | grep -v "^OK" | head -n 1)" >&2; exit 1; }'
    return f'answers=$({CLI} {SENTINEL} 2>&1); [ "$(echo "$answers" | grep -cx OK)" = {count} ] || {fail}'
