"""The architecture diagram: who reaches whom on which port, drawn from the plan and so never out of date."""

from collections import defaultdict

from xteam_infra.estate import Estate
from xteam_infra.plan.compose import plans

# The names of the hosts that are in the same groups.
Boxes = dict[tuple[str, ...], list[str]]


def mermaid(estate: Estate) -> str:
    """A Mermaid flowchart: one box a set of groups with its hosts, one arrow for each declared way in."""
    boxes = _boxes(estate)
    lines = ["flowchart LR", '    world(["the internet"])', '    management(["controller"])']
    for groups, names in boxes.items():
        label = f"{' + '.join(groups)}<br/>{', '.join(names)}"
        lines.append(f'    {_id(groups)}["{label}"]')
    for (source, target), ways in sorted(_arrows(estate, boxes).items()):
        lines.append(f'    {source} -->|"{"<br/>".join(sorted(ways))}"| {target}')
    return "\n".join(lines) + "\n"


def _boxes(estate: Estate) -> Boxes:
    boxes: Boxes = defaultdict(list)
    for machine in estate.machines:
        boxes[machine.groups].append(machine.name)
    return boxes


def _arrows(estate: Estate, boxes: Boxes) -> dict[tuple[str, str], set[str]]:
    arrows: dict[tuple[str, str], set[str]] = defaultdict(set)
    for groups, names in boxes.items():
        for listen in plans(estate)[names[0]].listens:
            way = f"{listen.purpose} {listen.port}" if listen.protocol == "tcp" else listen.purpose
            for source in listen.sources:
                for origin in _origins(source, boxes):
                    arrows[origin, _id(groups)].add(way)
    return arrows


def _origins(source: str, boxes: Boxes) -> list[str]:
    if source in ("world", "management"):
        return [source]
    return [_id(groups) for groups in boxes if source in groups]


def _id(groups: tuple[str, ...]) -> str:
    return "_".join(groups)
