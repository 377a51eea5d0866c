"""Rules of the etcd layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.settings.stored import Stored

SIZES = (1, 3, 5)
# Bytes of a password that bcrypt, by which etcd keeps it, takes.
PASSWORD_LONGEST = 72


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.etcd
    members = estate.members("etcd")
    if members and len(members) not in SIZES:
        found = f"{len(members)} hosts ({', '.join(member.name for member in members)})"
        yield Problem(
            estate.inventory,
            "etcd",
            found,
            "1, 3 or 5 hosts: an even number survives no more failures than one less",
        )
    if estate.members("postgres") and not members:
        yield Problem(
            estate.inventory, "etcd", "no host", "at least one host: PostgreSQL's members find their leader in etcd"
        )
    # A shorter election makes a leader step down over an ordinary delay; five heartbeats is etcd's own minimum.
    if settings.etcd_election_ms < 5 * settings.etcd_heartbeat_ms:
        yield settings.problem(
            "etcd_election_ms", settings.etcd_election_ms, f"at least {5 * settings.etcd_heartbeat_ms}: five heartbeats"
        )


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    settings = estate.etcd
    if estate.members("etcd"):
        yield Stored(settings.etcd_patroni_password.name, ("line", "word", "yaml"), longest=PASSWORD_LONGEST)
