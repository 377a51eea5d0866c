"""What the storage layer needs of a host, and which hosts hold keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.estate import Estate
from xteam_infra.plan.needs import Listen, Needs

if TYPE_CHECKING:
    from xteam_infra.machine import Machine

UNIT = "xteam-storage.service"
KEY_UNIT = "tangd.socket"
KEY_DIRECTORY = "/var/lib/tang"
CONFIG = "/etc/xteam/storage.json"
DATA_DIRECTORY = DISTRIBUTION.postgres_home

# Who holds keys, best first: not where the world knocks, and not where the data is.
KEY_GROUPS = ("backup", "metrics", "logs", "redis", "etcd", "worker", "app", "edge")


@dataclass(frozen=True)
class Branch:
    """One directory of the encrypted tree, and where the host uses it. needed_by: the unit that must wait for it."""

    name: str
    where: str
    owner: str
    needed_by: str

    @property
    def unit(self) -> str:
        """The mount unit, as systemd names it after its mount point."""
        return f"{self.where.strip('/').replace('/', '-')}.mount"


# The database with its WAL; and the WAL that waits to be archived.
BRANCHES = (
    Branch("postgresql", DATA_DIRECTORY, "postgres", DISTRIBUTION.postgres_unit),
    Branch("spool", "/var/spool/pgbackrest", "postgres", "pgbackrest.service"),
)


def needs(estate: Estate, machine: Machine) -> Needs:
    """An encrypted tree on every database host; tang on the hosts that hold keys."""
    tree, keys = encrypts(estate, machine), machine in key_hosts(estate)
    port = estate.storage.storage_key_port
    return Needs(
        packages=(*(("clevis", "fscrypt", "python3") if tree else ()), *(("tang",) if keys else ())),
        listens=(Listen(port, "tang", ("postgres",), accounts=("root",)),) if keys else (),
        units=(*((UNIT, *(one.unit for one in BRANCHES)) if tree else ()), *((KEY_UNIT,) if keys else ())),
    )


def encrypts(estate: Estate, machine: Machine) -> bool:
    """Whether this host has an encrypted tree."""
    return estate.storage.storage_encryption == "fscrypt" and "postgres" in machine.groups


def key_hosts(estate: Estate) -> tuple[Machine, ...]:
    """The hosts that run tang, in inventory order: those named, else the best one of each region."""
    settings = estate.storage
    if settings.storage_encryption != "fscrypt" or not estate.members("postgres"):
        return ()
    if settings.storage_key_hosts:
        return tuple(machine for machine in estate.machines if machine.name in settings.storage_key_hosts)
    # Who takes a database host away must not take its key along.
    others = [machine for machine in estate.machines if "postgres" not in machine.groups]
    chosen: dict[str, Machine] = {}
    for machine in sorted(others or estate.machines, key=_rank):
        chosen.setdefault(machine.region, machine)
    return tuple(machine for machine in estate.machines if machine in chosen.values())


def _rank(machine: Machine) -> int:
    return min((KEY_GROUPS.index(group) for group in machine.groups if group in KEY_GROUPS), default=len(KEY_GROUPS))


def key_url(estate: Estate, machine: Machine) -> str:
    """Where a key host answers: its address, for a host must open its data also when it knows no names.

    Plain HTTP: what tang exchanges is of no use to a listener.
    """
    return f"http://{machine.url_host}:{estate.storage.storage_key_port}"
