"""Which hosts a lab has, and which groups and region each belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

GROUPS = tuple((Path(__file__).parents[1] / "xteam_infra/layers/groups.txt").read_text().split())
REGIONS = ("a", "b")

TOPOLOGIES = {
    "solo": f"solo1={','.join(GROUPS)}@a",
    "ha": (
        "edge1=edge edge2=edge app1=app,worker app2=app,worker "
        "db1=postgres,etcd db2=postgres,etcd db3=postgres,etcd "
        "redis1=redis redis2=redis redis3=redis "
        "backup1=backup@b ops1=logs,metrics@b"
    ),
}

# Resident memory in MiB: a booted bare host, and what each group's services add in the lab's settings.
MEMORY_BASE = 120
MEMORY_OF_GROUP = {
    "edge": 60,
    "app": 400,
    "worker": 400,
    "postgres": 300,
    "etcd": 80,
    "redis": 120,
    "backup": 60,
    "logs": 40,
    "metrics": 100,
}

# A label of a DNS name; 32 characters keep nspawn's machine name (lab and host) below its limit of 64.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class HostSpec:
    """One host to boot: its name, groups and region."""

    name: str
    groups: tuple[str, ...]
    region: str

    @property
    def memory(self) -> int:
        """Memory in MiB the host needs once everything runs on it."""
        return MEMORY_BASE + sum(MEMORY_OF_GROUP[group] for group in self.groups)


def check_name(kind: str, name: str) -> None:
    """Raise LabError unless `name` can be a lab's or a host's name."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{kind} name {name!r} is not usable: small letters, digits and inner hyphens, a letter first, at most 32"
        )


def parse_hosts(text: str) -> tuple[HostSpec, ...]:
    """Read "db1=postgres,etcd@a backup1=backup@b"; the region is `a` when it is left out.

    Raises LabError for a malformed entry, an unknown group or region, a name given twice, or no host at all.
    """
    hosts = tuple(_parse_host(entry) for entry in text.split())
    names = [host.name for host in hosts]
    if not names:
        raise LabError('no host given; write for example --hosts "db1=postgres,etcd@a backup1=backup@b"')
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"host {name} is given twice")
    return hosts


def _parse_host(entry: str) -> HostSpec:
    name, equals, rest = entry.partition("=")
    if not equals or not rest:
        raise LabError(f"{entry!r} is not NAME=GROUP[,GROUP...][@REGION]")
    check_name("host", name)
    groups_text, _, region = rest.partition("@")
    groups = tuple(group for group in groups_text.split(",") if group)
    for group in groups:
        if group not in GROUPS:
            raise LabError(f"host {name}: unknown group {group!r}; groups are {', '.join(GROUPS)}")
    region = region or REGIONS[0]
    if region not in REGIONS:
        raise LabError(f"host {name}: unknown region {region!r}; regions are {', '.join(REGIONS)}")
    return HostSpec(name, groups, region)
