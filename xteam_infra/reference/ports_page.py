"""The ports and units of every sort of host, written from the plan and so never out of date."""

from collections.abc import Iterator

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.compose import plans
from xteam_infra.plan.needs import ListenPort

WHO = {"world": "anyone", "management": "`management_networks`", "local": "the host itself"}
TLS = {"tls": "yes", "postgres": "yes, after PostgreSQL's request", "none": "no"}


def document(estate: Estate) -> str:
    """What every host has, then for each set of groups its ports with who may reach them, and its units."""
    first: dict[tuple[str, ...], Machine] = {}
    for machine in estate.machines:
        first.setdefault(machine.groups, machine)
    all_plans = [plans(estate)[machine.name] for machine in first.values()]
    listens = set.intersection(*(set(plan.listens) for plan in all_plans))
    units = set.intersection(*(set(plan.units) for plan in all_plans))
    lines = list(_section(estate, "every host", listens, units))
    for machine, plan in zip(first.values(), all_plans, strict=True):
        title = " + ".join(machine.groups)
        lines += _section(estate, title, set(plan.listens) - listens, set(plan.units) - units)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(estate: Estate, title: str, listens: set[ListenPort], units: set[str]) -> Iterator[str]:
    yield from (f"## {title}", "")
    if listens:
        yield from ("| port | what | TLS | who may reach it |", "|---|---|---|---|")
    for listen in sorted(listens, key=lambda one: (one.port, one.purpose)):
        port = f"{listen.port}" if listen.protocol == "tcp" else listen.protocol.upper()
        yield f"| {port} | {listen.purpose} | {TLS[listen.tls]} | {_who(estate, listen)} |"
    yield from ("", "Units:", "")
    yield from (f"- `{name}`" for name in sorted({_of_any_host(estate, unit) for unit in units}))
    yield ""


def _who(estate: Estate, listen: ListenPort) -> str:
    names = {machine.address: machine.name for machine in estate.machines}
    return ", ".join(WHO.get(source) or names.get(source, source) for source in listen.sources)


def _of_any_host(estate: Estate, unit: str) -> str:
    """A unit's name, with HOST where there is one for each host."""
    stem, _, instance = unit.partition("@")
    name, dot, kind = instance.rpartition(".")
    return f"{stem}@HOST{dot}{kind}" if name in {one.name for one in estate.machines} else unit
