"""Settings of the etcd layer: the small store in which Patroni keeps who leads."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from xteam_infra.errors import Problem
from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.stored import Stored

SIZES = (1, 3, 5)
# Bytes of a password that bcrypt, by which etcd keeps it, takes.
PASSWORD_LONGEST = 72


class EtcdSettings(LayerSettings):
    """group_data/etcd.py"""

    layer: ClassVar[str] = "etcd"

    etcd_data_dir: str = Field("/var/lib/etcd/xteam", pattern=r"^/var/lib/etcd/[a-z0-9][a-z0-9_.-]*$")
    """Where a member keeps its data, below /var/lib/etcd. Not Debian's directory for a single node, `default`."""
    etcd_quota_mb: int = Field(512, ge=64, le=8192)
    """Size (MiB) at which etcd refuses writes. Patroni needs a few MiB."""
    etcd_memory_mb: int = Field(256, ge=96)
    """Memory (MiB) of one member in the host plan, and the limit of its unit."""
    etcd_heartbeat_ms: int = Field(100, ge=10, le=1000)
    """Milliseconds between heartbeats; about the round trip between the members."""
    etcd_election_ms: int = Field(1000, ge=100, le=50_000)
    """Milliseconds without a heartbeat after which members elect another leader."""
    etcd_patroni_password: Secret = Secret("etcd/patroni")
    """Password of the etcd user that Patroni is; it may read and write below /xteam/ only."""

    def stored(self, estate) -> Iterator[Stored]:
        if estate.members("etcd"):
            yield Stored(self.etcd_patroni_password.name, ("line", "word", "yaml"), longest=PASSWORD_LONGEST)

    def problems(self, estate) -> Iterator[Problem]:
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
        if self.etcd_election_ms < 5 * self.etcd_heartbeat_ms:
            yield self.problem(
                "etcd_election_ms", self.etcd_election_ms, f"at least {5 * self.etcd_heartbeat_ms}: five heartbeats"
            )
