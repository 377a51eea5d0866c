"""Newer minor versions for one member at a time; the one that leads hands over before."""

from collections.abc import Iterator

from pyinfra import host, inventory, logger
from pyinfra.api import QuoteString, StringCommand, operation

from xteam_infra.errors import Problem, SettingsError
from xteam_infra.facts.postgres import CURL, Member, Members
from xteam_infra.facts.postgres_update import MemberOutdated
from xteam_infra.operations.packages import INSTALL
from xteam_infra.operations.postgres import CTL, RESTART_SECONDS
from xteam_infra.plan.postgres import REST_PORT, UNIT
from xteam_infra.runtime import here, open_estate

# What belongs to a member and may change the server or Patroni. Majors are packages of another name.
PACKAGES = ["postgresql-17", "postgresql-client-17", "postgresql-17-pgaudit", "postgresql-common", "libpq5", "patroni"]


def leader_last(estate) -> list:
    """The members in the order in which they are updated. Raises SettingsError when the cluster isn't whole.

    The first member is asked, whichever host this runs for: all hosts must come to the same order.
    """
    members = estate.members("postgres")
    asked = inventory.get_host(members[0].name) if members else None
    addresses = [machine.address for machine in members]
    found = asked.get_fact(Members, addresses=addresses, _sudo=True) if asked else []
    _refuse_unless_whole(estate, found)
    leaders = [one.name for one in found if one.leads]
    return sorted(members, key=lambda machine: machine.name in leaders)


def _members(estate) -> list[Member]:
    return host.get_fact(Members, addresses=[machine.address for machine in estate.members("postgres")])


def _refuse_unless_whole(estate, found: list[Member]) -> None:
    wanted = {machine.name for machine in estate.members("postgres")}
    running = {one.name for one in found if one.running}
    problems = []
    if not wanted:
        problems.append(Problem(estate.inventory, "postgres", "no host", "a PostgreSQL host"))
    if missing := sorted(wanted - running):
        problems.append(Problem("the cluster", "members", f"{', '.join(missing)} does not run", "every member running"))
    if wanted and sum(one.leads for one in found) != 1:
        problems.append(Problem("the cluster", "leader", "none, or more than one", "one member that leads"))
    if len(wanted) > 1 and estate.postgres.postgres_synchronous != "off" and not any(o.synchronous for o in found):
        problems.append(Problem("the cluster", "replicas", "none is synchronous", "one that has every commit"))
    if problems:
        raise SettingsError(problems)


@operation()
def update_member():
    """Install what is newer for this member and restart it, unless nothing is newer and nothing old still runs."""
    estate = open_estate()
    outdated = host.get_fact(MemberOutdated, unit=UNIT, packages=PACKAGES)
    waits = next((one.waits_for_restart for one in _members(estate) if one.name == here().name), {})
    if not outdated.newer and not outdated.replaced and not waits:
        host.noop("nothing is newer than what runs")
        return
    reasons = [*outdated.newer, *(f"{path} was replaced" for path in outdated.replaced[:3]), *waits]
    logger.info("%s%s", host.print_prefix, ", ".join(reasons))
    _refuse_unless_whole(estate, _members(estate))
    if outdated.newer:
        yield StringCommand("sh -c", QuoteString(INSTALL), "install", *(QuoteString(name) for name in outdated.newer))
    yield from _handed_over(estate)
    yield StringCommand(f"systemctl restart {UNIT} && {_whole_again(estate)}")


def _handed_over(estate) -> Iterator[StringCommand]:
    """The leader gives the lead to the replica that has every commit, and follows it."""
    found = _members(estate)
    others = sorted((one for one in found if not one.leads and one.running), key=lambda one: not one.synchronous)
    if not others or not any(one.leads and one.name == here().name for one in found):
        return
    change = f"{CTL} switchover --leader {here().name} --candidate {others[0].name} --force"
    yield StringCommand(f"{change} && {_until(f'{CURL} -f https://{here().address}:{REST_PORT}/replica?lag=16MB')}")


def _whole_again(estate) -> str:
    """Shell: wait until this member serves again, and a replica has every commit, so that the next may go."""
    mine = f"https://{here().address}:{REST_PORT}"
    steps = [_until(f"{CURL} -f {mine}/primary || {CURL} -f '{mine}/replica?lag=16MB'")]
    members = estate.members("postgres")
    if len(members) > 1 and estate.postgres.postgres_synchronous != "off":
        asks = (f"{CURL} -f https://{machine.address}:{REST_PORT}/synchronous" for machine in members)
        steps.append(_until(" || ".join(asks)))
    return " && ".join(steps)


def _until(command: str) -> str:
    loop = StringCommand("until", command, "; do sleep 0.5; done >/dev/null 2>&1").get_raw_value()
    return StringCommand(f"timeout {RESTART_SECONDS} sh -c", QuoteString(loop)).get_raw_value()
