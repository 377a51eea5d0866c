"""The PostgreSQL cluster: what its members share, restarts it waits for, roles and rights on the leader."""

import difflib
import hashlib
import json
from collections.abc import Iterator
from shlex import quote
from typing import Any

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation

from xteam_infra.engine.absent import first_here, up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.pyinfra_internals import shows_diff
from xteam_infra.engine.runtime import here, open_estate, secret
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.facts import (
    CURL,
    Answers,
    ClusterMembers,
    DynamicConfiguration,
    Member,
    Members,
    Question,
    psql,
)
from xteam_infra.layers.postgres.goal import Goal
from xteam_infra.layers.postgres.needs import CLUSTER, REST_PORT
from xteam_infra.layers.postgres.scram import verifier
from xteam_infra.layers.postgres.switchover import handover
from xteam_infra.secrets import Secret
from xteam_infra.secrets.escape import sql

CTL = "/usr/local/sbin/xteam-patronictl"
# A restart begins with a checkpoint; a member that takes longer is better looked at by a person.
RESTART_SECONDS = 300
REPLAY_SECONDS = 60
LEADER_SECONDS = 120

# What sets a password must not be kept: not in the log, not in the statistics of statements.
UNSEEN = """SET log_statement = none; SET log_min_duration_statement = -1; SET log_min_error_statement = panic;
SET pg_stat_statements.track_utility = off;
"""


@operation()
def dynamic_configuration(wanted: dict[str, Any], seconds: int) -> Commands:
    """Bring what all members share to `wanted`, through Patroni. A pause that is in force stays.

    Seconds after the leader was lost nobody leads: then it waits for the next one, without whom nothing can be changed.
    seconds: how long the members may take to follow.
    """
    if state.is_executing and not any(one.leads for one in host.get_fact(Members, addresses=_addresses())):
        yield StringCommand(_led())
    current = host.get_fact(DynamicConfiguration)
    if state.is_executing and not current:
        yield StringCommand(f'echo "Patroni\'s API does not answer: journalctl -u patroni@{CLUSTER}" >&2; exit 1')
        return
    paused = {"pause": current["pause"]} if "pause" in current else {}
    target = json.loads(json.dumps({**wanted, **paused}))
    if current == target:
        host.noop("the members share what they should")
        return
    if shows_diff():
        _show_diff(current, target)
    yield StringCommand(f"{CTL} edit-config --quiet --force --replace -", _stdin=json.dumps(target))
    yield StringCommand(_followed(seconds))


def _show_diff(current: dict[str, Any], target: dict[str, Any]) -> None:
    before, after = (json.dumps(one, indent=1, sort_keys=True).splitlines() for one in (current, target))
    logger.info("%sPatroni's dynamic configuration", host.print_prefix)
    for line in difflib.unified_diff(before, after, "in etcd", "wanted", lineterm="", n=1):
        logger.info("%s    %s", host.print_prefix, line)


def _followed(seconds: int) -> str:
    """Shell: wait until every member has read etcd again, has acted on it, and knows what waits for a restart.

    A member says when it began to read. What it read before has been acted on when it has begun once more.
    """
    ask = f"{CURL} https://$a:{REST_PORT}/patroni | sed -n 's/.*\"dcs_last_seen\": *\\([0-9]*\\).*/\\1/p'"
    late = f"$a has not followed within {seconds} s: xteam-patronictl list"
    fail = f'{{ echo "{late}" >&2; exit 1; }}'
    wait = f"sleep 0.5; [ $(date +%s) -lt $end ] || {fail}"
    again = f'until seen=$({ask}); [ "${{seen:-0}}" -gt "$last" ]; do {wait}; done'
    each = f"last=$now; for round in 1 2; do {again}; last=$seen; done"
    return f"now=$(date +%s); end=$((now + {seconds})); for a in {' '.join(_addresses())}; do {each}; done; sleep 1"


def _led() -> str:
    """Shell: wait until one of the members that are up leads."""
    ask = f"{CURL} -f -o /dev/null https://$a:{REST_PORT}/primary"
    loop = f"until for a in {' '.join(_addresses())}; do {ask} && break; done; do sleep 1; done"
    late = f"no member that is up leads after {LEADER_SECONDS} s: xteam-patronictl list, docs/runbooks/failover.md"
    return f"timeout {LEADER_SECONDS} sh -c {quote(loop)} || {{ echo {quote(late)} >&2; exit 1; }}"


def _addresses() -> list[str]:
    """Of the members that are not said to be down."""
    return [machine.address for machine in up(open_estate().members("postgres"))]


@operation()
def pending_restarts(allowed: bool) -> Commands:
    """Restart the members whose parameters need it: replicas first, then a switchover, the old leader last.

    allowed: False only says which members wait.
    """
    waiting = [one for one in host.get_fact(Members, addresses=_addresses()) if one.waits_for_restart]
    if not waiting:
        host.noop("no member waits for a restart")
        return
    for one in waiting:
        parameters = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in one.waits_for_restart.items())
        logger.info("%s%s waits for a restart: %s", host.print_prefix, one.name, parameters)
    if not allowed:
        host.noop("postgres_restart_when_needed is False in group_data/postgres.py: restart them by hand")
        return
    lowers = any(one.lowers for one in waiting)
    # A standby may not have fewer connections than its primary, so what is lowered is lowered on the leader first.
    leader_first = [one for one in waiting if one.leads] if lowers else []
    for leader in leader_first:
        yield _restart(leader)
    for one in waiting:
        if not one.leads:
            yield from (_replayed(leader, one) for leader in leader_first)
            yield _restart(one)
    if not lowers:
        yield from _leader_last([one for one in waiting if one.leads])


def _leader_last(leaders: list[Member]) -> Iterator[StringCommand]:
    for leader in leaders:
        others = [one for one in host.get_fact(Members, addresses=_addresses()) if not one.leads and one.running]
        if others:
            heirs = sorted(others, key=lambda one: not one.synchronous)
            yield StringCommand(handover(open_estate(), leader.name, [one.name for one in heirs]))
        yield _restart(leader, "health")


def _restart(member: Member, path: str = "") -> StringCommand:
    """path: what the member must answer on afterwards; its present role's by default."""
    command = f"XTEAM_TIMEOUT={RESTART_SECONDS} {CTL} restart {CLUSTER} {member.name} --pending --force"
    return StringCommand(f"{command} && {_answers(member, path or ('primary' if member.leads else 'replica'))}")


def _replayed(leader: Member, member: Member) -> StringCommand:
    """Wait until a replica has replayed what the leader logged at its start: until then it keeps its old value."""
    asked = f"{CURL} https://$1:{REST_PORT}/patroni | grep -o '\"'$2'\": *[0-9]*' | grep -o '[0-9]*$'"
    there = f'[ "$(at {member.address} replayed_location)" -ge "$to" ]'
    loop = f"at() {{ {asked}; }}; to=$(at {leader.address} location); until {there}; do sleep 0.5; done"
    return StringCommand(f"timeout {RESTART_SECONDS} sh -c {quote(loop)} 2>/dev/null")


def _answers(member: Member, path: str) -> str:
    loop = f"until {CURL} -f https://{member.address}:{REST_PORT}/{path}; do sleep 0.5; done >/dev/null"
    return f"timeout {RESTART_SECONDS} sh -c '{loop}'"


def require_leader_in_inventory(estate: Estate) -> None:
    """Raise SettingsError when the member that leads is not in the inventory any more: it must hand over first."""
    names = [machine.name for machine in estate.members("postgres")]
    if here().name not in names:
        return
    led_by = [one["name"] for one in host.get_fact(ClusterMembers) if one.get("role") == "leader"]
    if gone := [name for name in led_by if name not in names]:
        found = f"{', '.join(names)}; {gone[0]} leads, and is not among them"
        allowed = f"{gone[0]} among them until it has handed over: tasks/switchover.py, then take it out"
        raise SettingsError([Problem(estate.inventory, "postgres", found, allowed)])


@operation()
def rights(goals: list[Goal], passwords: dict[str, Secret]) -> Commands:
    """On the leader, whichever host that is: reach every goal that does not hold, and set passwords that differ.

    passwords: by role. A password goes to the host only as its verifier, and only when it is not the one in force.
    """
    questions = [Question(goal.name, goal.database, goal.check_sql) for goal in goals]
    questions += [Question(f"password of {role}", "postgres", _kept(role)) for role in passwords]
    answers = host.get_fact(Answers, questions=questions)
    # Before there is a cluster, the first member stands in a plan for the one that will lead.
    unknown = not answers and not state.is_executing and here() == first_here(open_estate().members("postgres"))
    if "leads" not in answers and not unknown:
        host.noop("another member leads")
        return
    unreached = [goal for goal in goals if answers.get(goal.name) not in ("t", "true")]
    changed = [
        role for role, reference in passwords.items() if not _is(answers.get(f"password of {role}", ""), reference)
    ]
    if not unreached and not changed:
        host.noop("roles and rights are as wanted")
        return
    if shows_diff():
        for name in (*(goal.name for goal in unreached), *(f"password of {role}" for role in changed)):
            logger.info("%s    %s", host.print_prefix, name)
    for database in dict.fromkeys(goal.database for goal in unreached):
        statements = "\n".join(goal.apply_sql for goal in unreached if goal.database == database)
        yield StringCommand(psql(database, "-v ON_ERROR_STOP=1"), _stdin=f"{UNSEEN}{statements}\n")
    if changed:
        sets = [f"ALTER ROLE {role} PASSWORD {sql(verifier(secret(passwords[role])))};" for role in changed]
        yield StringCommand(psql("postgres", "-v ON_ERROR_STOP=1"), _stdin=UNSEEN + "\n".join(sets))
    yield replayed()


def replayed() -> StringCommand:
    """On the leader: wait until every replica that follows knows what the leader knows. Reads log in there."""
    there = "SELECT coalesce(bool_and(replay_lsn >= '$lsn'), true) FROM pg_stat_replication"
    ask = psql("postgres")
    late = f"echo 'a replica has not caught up within {REPLAY_SECONDS} s: xteam-patronictl list' >&2; exit 1"
    loop = f'until [ "$(echo "{there}" | {ask})" = t ]; do sleep 0.2; [ $(date +%s) -lt $end ] || {{ {late}; }}; done'
    return StringCommand(
        f"lsn=$(echo 'SELECT pg_current_wal_lsn()' | {ask}); end=$(($(date +%s) + {REPLAY_SECONDS})); {loop}"
    )


def _kept(role: str) -> str:
    """SQL: a hash of the role's verifier, with the salt and iterations it was made with. The verifier stays there."""
    made_with = "substring(rolpassword from '^SCRAM-SHA-256.([0-9]+:[^$]+)[$]')"
    kept = f"encode(sha256(rolpassword::bytea), 'hex') || ' ' || coalesce({made_with}, '')"
    return f"SELECT {kept} FROM pg_authid WHERE rolname = '{role}'"  # noqa: S608 - a name of the settings


def _is(kept: str, reference: Secret) -> bool:
    """Whether the password behind `reference` is the one kept."""
    digest, _, made_with = kept.partition(" ")
    iterations, _, salt = made_with.partition(":")
    if not salt:
        return False
    return hashlib.sha256(verifier(secret(reference), salt, int(iterations)).encode()).hexdigest() == digest
