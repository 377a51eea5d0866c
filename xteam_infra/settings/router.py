"""Settings of the router layer: the local HAProxy and PgBouncer on hosts that run the application."""

from typing import ClassVar

from pydantic import Field

from xteam_infra.settings.model import LayerSettings

# The application's database behind the write port and behind the read port. Without a replica both are the leader.
DATABASES = 2


class RouterSettings(LayerSettings):
    """group_data/router.py"""

    layer: ClassVar[str] = "router"

    pgbouncer_pool_size: int = Field(20, ge=1, le=1000)
    """Server connections of one role to one database, on each host."""
    pgbouncer_reserve_size: int = Field(5, ge=0, le=1000)
    """More of them for clients that have waited for three seconds."""
    pgbouncer_server_connections: int = Field(30, ge=2, le=2000)
    """The most server connections to one database, on each host, all roles together."""
    pgbouncer_client_connections: int = Field(1000, ge=10, le=50_000)
    """Clients PgBouncer accepts on each host."""
    pgbouncer_query_wait_seconds: int = Field(15, ge=1, le=600)
    """How long a client may wait for a server connection before it gets an error."""
    pgbouncer_prepared_statements: int = Field(200, ge=0, le=10_000)
    """Prepared statements kept on each server connection; 0 turns them off for clients."""
    router_connections: int = Field(4000, ge=100, le=100_000)
    """Connections HAProxy passes on at once, on each host."""
    router_old_process_seconds: int = Field(60, ge=5, le=3600)
    """How long the old process keeps its connections after a reload. It no longer sees who leads, so not for ever."""
