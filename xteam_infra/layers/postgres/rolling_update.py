"""Newer minor versions for one member at a time; the one that leads hands over before."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host, inventory, logger, state
from pyinfra.api import QuoteString, StringCommand, operation

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.engine.absent import first_here, up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.once import OncePer
from xteam_infra.engine.operations.packages import INSTALL
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.facts import CURL, ClusterMembers, DynamicConfiguration, Members
from xteam_infra.layers.postgres.needs import REST_PORT, UNIT
from xteam_infra.layers.postgres.operations import RESTART_SECONDS
from xteam_infra.layers.postgres.switchover import (
    LEADS,
    handover,
    listed,
    seen_by_any,
    switchover_candidates,
    switchover_problems,
)
from xteam_infra.layers.postgres.update_facts import MemberOutdated
from xteam_infra.machine import Machine

# What belongs to a member and may change the server or Patroni. Majors are packages of another name.
PACKAGES = [
    DISTRIBUTION.postgres_server,
    DISTRIBUTION.postgres_client,
    DISTRIBUTION.postgres_pgaudit,
    "postgresql-common",
    "libpq5",
    "patroni",
]
_orders: OncePer[tuple[Machine, ...]] = OncePer()


def leader_last(estate: Estate) -> tuple[Machine, ...]:
    """The members in the order in which they are updated. Raises SettingsError unless the cluster is whole."""
    return _orders.ask(state.inventory, lambda: _ordered(estate))


def _ordered(estate: Estate) -> tuple[Machine, ...]:
    seen = seen_by_any(estate.members("postgres"))
    _require_healthy_cluster(estate, seen)
    leads = [one["name"] for one in seen if one["role"] in LEADS]
    return tuple(sorted(estate.members("postgres"), key=lambda machine: machine.name in leads))


def broken(estate: Estate, seen: list[dict[str, Any]], paused: bool) -> Iterator[Problem]:
    """Why no member may be restarted now. seen: the members as Patroni lists them."""
    members = estate.members("postgres")
    if not members:
        yield Problem(estate.inventory, "postgres", "no host", "a PostgreSQL host")
        return
    well = {one["name"] for one in seen if one["state"] in ("running", "streaming")}
    if missing := [machine.name for machine in up(members) if machine.name not in well]:
        found = f"{', '.join(missing)} down, or behind: {listed(seen) or 'no answer from Patroni'}"
        allowed = "every member running, or --exclude NAME for one that is lost; docs/runbooks/failover.md"
        yield Problem("the cluster", "members", found, allowed)
    elif len(up(members)) > 1:
        yield from switchover_problems(estate, seen)
    if paused:
        yield Problem("the cluster", "Patroni", "paused: it would not restart a server", "xteam-patronictl resume")


def _require_healthy_cluster(estate: Estate, seen: list[dict[str, Any]]) -> None:
    first = first_here(estate.members("postgres"))
    asked = inventory.get_host(first.name) if first and seen else None
    paused = bool(asked and asked.get_fact(DynamicConfiguration, _sudo=True).get("pause"))
    if problems := list(broken(estate, seen, paused)):
        raise SettingsError(problems)


@operation()
def update_member() -> Commands:
    """Install what is newer for this member and restart it, unless nothing is newer and nothing old still runs."""
    estate = open_estate()
    outdated = host.get_fact(MemberOutdated, unit=UNIT, packages=PACKAGES)
    mine = host.get_fact(Members, addresses=[here().address])
    waits = mine[0].waits_for_restart if mine else {}
    if not outdated.newer and not outdated.replaced and not waits:
        host.noop("nothing is newer than what runs")
        return
    reasons = [*outdated.newer, *(f"{path} was replaced" for path in outdated.replaced[:3]), *waits]
    logger.info("%s%s", host.print_prefix, ", ".join(reasons))
    seen = host.get_fact(ClusterMembers)
    _require_healthy_cluster(estate, seen)
    if outdated.newer:
        yield StringCommand("sh -c", QuoteString(INSTALL), "install", *(QuoteString(name) for name in outdated.newer))
    heirs = [one["name"] for one in switchover_candidates(seen, estate)]
    if heirs and any(one["role"] in LEADS and one["name"] == here().name for one in seen):
        yield StringCommand(handover(estate, here().name, heirs))
    yield StringCommand(f"systemctl restart {UNIT} && {_whole_again(estate)}")


def _whole_again(estate: Estate) -> str:
    """Shell: wait until this member serves again, and a replica has every commit, so that the next may go."""
    mine = f"https://{here().address}:{REST_PORT}"
    others = len(up(estate.members("postgres"))) - 1
    steps = [
        f"{{ {CURL} -f {mine}/primary || {CURL} -f '{mine}/replica?lag=16MB'; }}",
        f"[ $({CURL} {mine}/cluster | grep -o streaming | wc -l) -ge {others} ]",
    ]
    if others and estate.postgres.postgres_synchronous != "off":
        steps.append(f"{CURL} {mine}/cluster | grep -qE '(sync|quorum)_standby'")
    loop = StringCommand(f"until {' && '.join(steps)}; do sleep 0.5; done >/dev/null 2>&1").get_raw_value()
    late = f"not whole {RESTART_SECONDS} s after the restart: journalctl -u {UNIT}, xteam-patronictl list"
    waits = StringCommand(f"timeout {RESTART_SECONDS} sh -c", QuoteString(loop)).get_raw_value()
    return f"{{ {waits} || {{ echo '{late}' >&2; exit 1; }}; }}"
