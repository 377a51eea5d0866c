"""What the storage layer needs of a host, and which hosts hold keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.estate import Estate
from xteam_infra.plan.needs import HostRequirements, ListenPort

if TYPE_CHECKING:
    from xteam_infra.machine import Machine

UNIT = "xteam-storage.service"
TANG_UNIT = "tangd.socket"
TANG_DIRECTORY = "/var/lib/tang"
CONFIG = "/etc/xteam/storage.json"
DATA_DIRECTORY = DISTRIBUTION.postgres_home

# Who holds keys, best first: not where the world knocks, and not where the data is.
TANG_GROUPS = ("backup", "metrics", "logs", "redis", "etcd", "worker", "app", "edge")


@dataclass(frozen=True)
class EncryptedMount:
    """One directory of the encrypted directory, and where the host uses it. needed_by: the unit that must wait for
    it."""

    name: str
    where: str
    owner: str
    needed_by: str

    @property
    def unit(self) -> str:
        """The mount unit, as systemd names it after its mount point."""
        return f"{self.where.strip('/').replace('/', '-')}.mount"


# The database with its WAL; and the WAL that waits to be archived.
ENCRYPTED_MOUNTS = (
    EncryptedMount("postgresql", DATA_DIRECTORY, "postgres", DISTRIBUTION.postgres_unit),
    EncryptedMount("spool", "/var/spool/pgbackrest", "postgres", "pgbackrest.service"),
)


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """An encrypted directory on every database host; tang on the hosts that hold keys."""
    tree, keys = encrypts(estate, machine), machine in tang_servers(estate)
    port = estate.storage.storage_tang_port
    return HostRequirements(
        packages=(*(("clevis", "fscrypt", "python3") if tree else ()), *(("tang",) if keys else ())),
        listens=(ListenPort(port, "tang", ("postgres",), accounts=("root",)),) if keys else (),
        units=(*((UNIT, *(one.unit for one in ENCRYPTED_MOUNTS)) if tree else ()), *((TANG_UNIT,) if keys else ())),
    )


def encrypts(estate: Estate, machine: Machine) -> bool:
    """Whether this host has an encrypted directory."""
    return estate.storage.storage_encryption == "fscrypt" and "postgres" in machine.groups


def tang_servers(estate: Estate) -> tuple[Machine, ...]:
    """The hosts that run tang, in inventory order: those named, else the best one of each region."""
    settings = estate.storage
    if settings.storage_encryption != "fscrypt" or not estate.members("postgres"):
        return ()
    if settings.storage_tang_servers:
        return tuple(machine for machine in estate.machines if machine.name in settings.storage_tang_servers)
    # Who takes a database host away must not take its key along.
    others = [machine for machine in estate.machines if "postgres" not in machine.groups]
    chosen: dict[str, Machine] = {}
    for machine in sorted(others or estate.machines, key=_rank):
        chosen.setdefault(machine.region, machine)
    return tuple(machine for machine in estate.machines if machine in chosen.values())


def _rank(machine: Machine) -> int:
    return min((TANG_GROUPS.index(group) for group in machine.groups if group in TANG_GROUPS), default=len(TANG_GROUPS))


def tang_url(estate: Estate, machine: Machine) -> str:
    """Where a Tang server answers: its address, for a host must open its data also when it knows no names.

    Plain HTTP: what tang exchanges is of no use to a listener.
    """
    return f"http://{machine.url_host}:{estate.storage.storage_tang_port}"
