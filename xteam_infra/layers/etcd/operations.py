"""etcd's members: started together once, joined and changed one at a time afterwards."""

from collections.abc import Iterable, Iterator, Sequence
from shlex import quote

from pyinfra import host, inventory, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.host import Host

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.services import Services
from xteam_infra.engine.facts.shell_condition import ShellCondition
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.operations.hidden import HiddenInput
from xteam_infra.engine.operations.services import _apply, will_differ
from xteam_infra.engine.runtime import here, open_estate, secret
from xteam_infra.layers.etcd.facts import CTL, PREFIX, USER, EtcdAccess, EtcdMembers, EtcdMembership, Membership
from xteam_infra.layers.etcd.needs import CLIENT_PORT, METRICS_PORT, PEER_PORT, UNIT, member_certificate
from xteam_infra.machine import Machine
from xteam_infra.secrets import Secret
from xteam_infra.secrets.escape import word

HEALTH = f'curl -sf -m 2 http://127.0.0.1:{METRICS_PORT}/health | grep -q \'"health":"true"\''
HEALTH_SECONDS = 60
# Read by the unit while the data directory is still empty.
JOIN = "/run/xteam-etcd-join"
PATRONICTL = "/usr/local/sbin/xteam-patronictl"
# Says that this provisioner paused Patroni, not a person.
PAUSED = "/run/xteam-patroni-paused"


@operation()
def cluster_started(members: tuple[Machine, ...], inputs: Sequence[HostFile | str]) -> Commands:
    """Start this member of a cluster that does not exist yet; it waits for the others, so all hosts do this at once."""
    found = _membership(members)
    if found.has_data or found.members:
        host.noop("the cluster exists")
        return
    yield _apply(UNIT, _paths(inputs), "restart", "", HEALTH, HEALTH_SECONDS)


@operation()
def member(members: tuple[Machine, ...], inputs: Sequence[HostFile | str]) -> Commands:
    """Keep this member running with its present files; let it join first if the cluster exists without it.

    A member that has lost its disk is taken out of the cluster and joins again.
    """
    found = _membership(members)
    if not found.has_data and found.members:
        yield from _join(found.members, members)
        yield _apply(UNIT, _paths(inputs), "restart", "", HEALTH, HEALTH_SECONDS)
        return
    if not found.has_data and not state.is_executing:
        host.noop("it starts with the new cluster")
        return
    if not _outdated(host, inputs):
        host.noop(f"{UNIT} is running with its present files")
        return
    unit = host.get_fact(Services, unit=UNIT, paths=_paths(inputs))
    yield _apply(UNIT, _paths(inputs), "restart", unit.enabled, HEALTH, HEALTH_SECONDS)


@operation()
def remove_stale_members(members: tuple[Machine, ...]) -> Commands:
    """Take members out of the cluster that the inventory no longer has, one at a time: the others keep their quorum."""
    wanted = {f"https://{one.address}:{PEER_PORT}" for one in members}
    listed = host.get_fact(EtcdMembers)
    gone = {identifier: name for identifier, (name, url) in listed.items() if url not in wanted}
    if not gone:
        host.noop("etcd has no other members")
        return
    for identifier, name in gone.items():
        # Refused until the members that stay have been in touch for some seconds; an answer may get lost.
        removed = f"{CTL} member remove {identifier} >/dev/null 2>&1; ! {CTL} member list | grep -q ^{identifier}"
        # Of those that are up: one that is down would hold up all.
        well = f"XTEAM_ETCD_ENDPOINTS={_endpoints(up(members))} {CTL} endpoint health"
        loop = f"until {removed} && {well} >/dev/null 2>&1; do sleep 1; done"
        failed = f"{name or identifier} can't be removed: xteam-etcdctl endpoint health"
        yield StringCommand(f"timeout {HEALTH_SECONDS} sh -c {quote(loop)} || {{ echo {quote(failed)} >&2; exit 1; }}")


@operation()
def disable_removed_member(members: tuple[Machine, ...], data_dir: str) -> Commands:
    """On a host that is no member any more: stop etcd and remove its data, which no cluster would take again.

    As long as the cluster still counts this host as a member, nothing is done: it may be the only one with the data.
    """
    found = host.get_fact(Services, unit=UNIT, paths=[])
    if found.active not in ("active", "activating") and found.enabled != "enabled":
        host.noop("no etcd runs here")
        return
    if not members:
        host.noop("the inventory has no etcd hosts")
        return
    own = f"https://{here().address}:{PEER_PORT}"
    asked = f"XTEAM_ETCD_ENDPOINTS={_endpoints(members)} {CTL} member list"
    kept = f"etcd's other members still count {here().name} among them, or do not answer: its data stays"
    yield StringCommand(
        f'listed=$({asked}) && ! echo "$listed" | grep -qF {quote(own)} || {{ echo {quote(kept)} >&2; exit 1; }}; '
        f"systemctl disable -q --now {UNIT} && rm -rf {quote(f'{data_dir}/member')}"
    )


def _membership(members: tuple[Machine, ...]) -> Membership:
    others = _endpoints(one for one in members if one != here())
    return host.get_fact(EtcdMembership, data_dir=open_estate().etcd.etcd_data_dir, others=others)


def _endpoints(members: Iterable[Machine]) -> str:
    return ",".join(f"https://{one.address}:{CLIENT_PORT}" for one in members)


def _join(listed: dict[str, str], members: tuple[Machine, ...]) -> Iterator[StringCommand]:
    """Add this host to the cluster and say so to the unit. listed: {peer URL: name}."""
    own = f"https://{here().address}:{PEER_PORT}"
    ctl = f"XTEAM_ETCD_ENDPOINTS={_endpoints(one for one in members if one != here())} {CTL}"
    if own in listed:
        same = f"{ctl} member list | grep -F {quote(own)} | cut -d, -f1"
        yield StringCommand(f'{ctl} member remove "$({same})"')
    names = {**{url: name for url, name in listed.items() if url != own}, own: here().name}
    cluster = ",".join(f"{name}={url}" for url, name in names.items())
    lines = f"ETCD_INITIAL_CLUSTER_STATE=existing\\nETCD_INITIAL_CLUSTER={cluster}\\n"
    # Refused while the members are not all in touch, such as seconds after another one has joined.
    added = f"{ctl} member list | grep -qF {quote(own)} || {ctl} member add {quote(here().name)} --peer-urls={own}"
    loop = f"until {{ {added}; }} >/dev/null 2>&1; do sleep 1; done"
    failed = f"{here().name} can't be added to etcd: xteam-etcdctl endpoint health on another member"
    yield StringCommand(f"timeout {HEALTH_SECONDS} sh -c {quote(loop)} || {{ echo {quote(failed)} >&2; exit 1; }}")
    yield StringCommand(f"printf {quote(lines)} > {JOIN}")


def _paths(inputs: Sequence[HostFile | str]) -> list[str]:
    return [one.dest if isinstance(one, HostFile) else one for one in inputs]


def _outdated(on: Host, inputs: Sequence[HostFile | str]) -> bool:
    """Whether the unit on a host is down or runs with other files than those that are there."""
    found = on.get_fact(Services, unit=UNIT, paths=_paths(inputs), _sudo=True)
    running = found.active == "active" and found.enabled == "enabled"
    return not running or not found.applied or found.stale or (on is host and will_differ(inputs))


@operation()
def patroni_paused(members: tuple[Machine, ...], paths: list[str]) -> Commands:
    """Pause Patroni if a member is about to restart: a leader whose lease meets a stopping etcd steps down at once."""
    due = [one.name for one in up(members) if _outdated(inventory.get_host(one.name), list(paths))]
    if not due:
        host.noop("no etcd member needs a restart")
        return
    if not host.get_fact(ShellCondition, check=f"{PATRONICTL} list"):
        host.noop("Patroni does not run yet")
        return
    # Paused already, by a person or by a run that failed: then the mark, if there is one, stands where it was made.
    paused = f"{PATRONICTL} list | grep -q 'Maintenance mode: on'"
    yield StringCommand(f"{paused} || {{ {PATRONICTL} pause --wait && touch {PAUSED}; }}")


@operation()
def patroni_resumed() -> Commands:
    """End the pause that patroni_paused began, also in an earlier run that failed; a person's pause stays."""
    if not host.get_fact(ShellCondition, check=f"test -e {PAUSED}"):
        host.noop("this provisioner has not paused Patroni")
        return
    yield StringCommand(f"{PATRONICTL} resume --wait && rm -f {PAUSED}")


@operation()
def access(password: Secret) -> Commands:
    """Authentication on; root by its certificate; Patroni by its password, below its own keys only."""
    estate = open_estate()
    certificate = member_certificate(estate, here())
    held = host.get_fact(
        EtcdAccess,
        certificate=certificate.crt,
        key=certificate.key,
        endpoints=_endpoints(estate.members("etcd")),
        _stdin=HiddenInput(secret(password)),
    )
    missing = {"enabled", "role", "granted", "password"} - held
    if not missing:
        host.noop("access is as wanted")
        return
    if "answers" not in held and not state.is_executing and _membership(estate.members("etcd")).has_data:
        host.noop("known once etcd runs again")
        return
    if "enabled" in missing and not _has_role("root", "root"):
        yield StringCommand(f"{CTL} user add root --no-password && {CTL} user grant-role root root")
    if "role" in missing:
        grant = f"{CTL} role grant-permission {USER} readwrite --prefix {PREFIX}"
        yield StringCommand(f"{CTL} role delete {USER} >/dev/null 2>&1; {CTL} role add {USER} && {grant}")
    if "password" in missing:
        verb = f"if {CTL} user get {USER} >/dev/null 2>&1; then verb=passwd; else verb=add; fi"
        yield StringCommand(f'{verb}; {CTL} user "$verb" {USER} --interactive=false', _stdin=word(secret(password)))
    if missing & {"role", "granted"} and not _has_role(USER, USER):
        yield StringCommand(f"{CTL} user grant-role {USER} {USER}")
    if "enabled" in missing:
        yield StringCommand(f"{CTL} auth enable")


def _has_role(user: str, role: str) -> bool:
    pattern = f'"roles":\\["{role}"\\]'
    return host.get_fact(ShellCondition, check=f"{CTL} user get {user} -w json | grep -q {quote(pattern)}")
