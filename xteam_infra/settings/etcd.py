"""Settings of the etcd layer: the small store in which Patroni keeps who leads."""

from typing import ClassVar

from pydantic import Field

from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings


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
