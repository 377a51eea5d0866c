"""Handing over the leadership of PostgreSQL as planned work."""

from collections.abc import Iterator
from typing import Any

from pyinfra import inventory
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from xteam_infra.engine.absent import first_here, up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.pyinfra_internals import run_on
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.facts import CURL, ClusterMembers
from xteam_infra.layers.postgres.needs import REST_PORT
from xteam_infra.machine import Machine

CTL = "/usr/local/sbin/xteam-patronictl"
# A handover takes seconds; the old leader's last checkpoint and its way back may take longer.
SECONDS = 300
# Until a replica that was restarted is synchronous again: some of Patroni's rounds of 10 s.
FIT_SECONDS = 120
LEADS, FOLLOWS = ("leader",), ("sync_standby", "quorum_standby", "replica")


def validate_switchover(estate: Estate) -> None:
    """Raise SettingsError unless there is a leader, and a replica that could take over without loss."""
    members = estate.members("postgres")
    if not members:
        raise SettingsError([Problem(estate.inventory, "postgres", "no host", "a cluster of two members or more")])
    if here() == first_here(members) and (problems := list(switchover_problems(estate, seen_by_any(members)))):
        raise SettingsError(problems)


def seen_by_any(members: tuple[Machine, ...]) -> list[dict[str, Any]]:
    """The cluster as the first member that answers sees it; nothing when none does."""
    for machine in members:
        one = inventory.get_host(machine.name)
        if one in inventory.get_active_hosts() and (found := one.get_fact(ClusterMembers, _sudo=True)):
            return found
    return []


def switchover_problems(estate: Estate, seen: list[dict[str, Any]]) -> Iterator[Problem]:
    """Why nobody can take over. seen: the members as Patroni lists them."""
    leader = next((one for one in seen if one["role"] in LEADS and one["state"] == "running"), None)
    if leader is None:
        found = listed(seen) or "no answer from Patroni"
        yield Problem("the cluster", "leader", found, "a running leader; docs/runbooks/failover.md, lost-quorum.md")
        return
    candidate, heirs = estate.postgres.candidate, [one["name"] for one in switchover_candidates(seen, estate)]
    names = [one["name"] for one in seen]
    if candidate and candidate not in names:
        yield Problem("--data", "candidate", candidate, f"a member: {', '.join(names)}")
    elif candidate == leader["name"]:
        yield Problem("--data", "candidate", f"{candidate}, which leads already", f"one of {', '.join(heirs) or 'no'}")
    elif candidate and candidate not in heirs:
        found = f"{candidate} is not fit: {listed([one for one in seen if one['name'] == candidate])}"
        yield Problem("--data", "candidate", found, f"a replica that is fit ({', '.join(heirs) or 'there is none'})")
    elif not heirs:
        yield Problem("the cluster", "replicas", listed(seen), "one that streams; a synchronous one, when commits wait")


def switchover_candidates(seen: list[dict[str, Any]], estate: Estate) -> list[dict[str, Any]]:
    """Members that can take over and lose nothing; with synchronous commits Patroni takes a synchronous one alone."""
    synchronous = estate.postgres.postgres_synchronous != "off"
    wanted = FOLLOWS[:2] if synchronous else FOLLOWS
    return [
        one
        for one in seen
        if one["role"] in wanted and one["state"] == "streaming" and not (one.get("tags") or {}).get("nofailover")
    ]


def listed(seen: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['name']} ({one['role']}, {one['state']}, lag {one.get('lag', 0)})" for one in seen)


@operation(is_idempotent=False)
def handed_over(candidate: str | None) -> Commands:
    """Hand over to `candidate` (the first fit replica by default) and wait until all is whole; says who leads."""
    yield FunctionCommand(_hand_over, (candidate,), {})


def _hand_over(state: State, host: Host, candidate: str | None) -> bool:
    """Looks when it runs, not when it was planned. The names of the parameters are what pyinfra looks for."""
    estate = open_estate()
    seen = host.get_fact(ClusterMembers, _sudo=True)
    leader = next(one["name"] for one in seen if one["role"] in LEADS)
    heirs = [candidate] if candidate else [one["name"] for one in switchover_candidates(seen, estate)]
    command = StringCommand(f"{handover(estate, leader, heirs)} && {CTL} list")
    done, _ = run_on(host, command, show=True)
    return done


def handover(estate: Estate, leader: str, heirs: list[str]) -> str:
    """Shell: hand over from `leader` to an heir that loses nothing, and wait until all others that are up follow it.

    heirs: names; the first that is fit when this runs. With synchronous commits that is a synchronous one, which a
    replica becomes again some seconds after its restart.
    """
    members = {machine.name: machine.url_host for machine in up(estate.members("postgres"))}
    synchronous = estate.postgres.postgres_synchronous != "off"
    is_fit = " || ".join(_asks("$2", path) for path in (("sync", "quorum") if synchronous else ("replica",)))
    find = " || ".join(f"fit {name} {members[name]}" for name in heirs)
    others = len(members) - 1
    whole = [
        "[ $(count primary) = 1 ]",
        f"[ $(count replica) = {others} ]",
        _asks(members[leader], "replica"),
        f"[ $({CURL} https://{members[leader]}:{REST_PORT}/cluster | grep -o streaming | wc -l) -ge {others} ]",
    ]
    if synchronous and others:
        # Until then commits wait for nobody, and nobody is fit for the next handover.
        whole.append(f'{CURL} https://{members[leader]}:{REST_PORT}/cluster | grep -qE "(sync|quorum)_standby"')
    count = f"count() {{ for one in {' '.join(members.values())}; do {_asks('$one', '$1')} && echo; done | wc -l; }}"
    steps = [
        f"heir=$({_until(f'fit() {{ {{ {is_fit}; }} && echo $1; }}', find, FIT_SECONDS)})",
        f'XTEAM_TIMEOUT=120 {CTL} switchover --leader {leader} --candidate "$heir" --force',
        f"{_until(count, ' && '.join(whole), SECONDS)} >/dev/null",
    ]
    failed = "not handed over, or not whole afterwards: xteam-patronictl list, docs/runbooks/failover.md"
    return f"{{ {' && '.join(steps)} || {{ echo '{failed}' >&2; exit 1; }}; }}"


def _asks(address: str, path: str) -> str:
    """Shell: does Patroni there answer that it is that?"""
    return f"{CURL} -f https://{address}:{REST_PORT}/{path} >/dev/null"


def _until(function: str, condition: str, seconds: int) -> str:
    return f"timeout {seconds} sh -c '{function}; until {condition}; do sleep 0.5; done' 2>/dev/null"
