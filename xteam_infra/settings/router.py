"""Settings of the router layer: the local HAProxy and PgBouncer on hosts that run the application."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from xteam_infra.errors import Problem
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.postgres import OWN_CONNECTIONS

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

    def problems(self, estate) -> Iterator[Problem]:
        hosts = [m for m in estate.machines if {"app", "worker"} & set(m.groups)]
        if not (hosts and estate.members("postgres")):
            return
        yield from self._too_many_connections(estate, len(hosts))
        if self.pgbouncer_pool_size > self.pgbouncer_server_connections:
            yield self.problem(
                "pgbouncer_pool_size",
                self.pgbouncer_pool_size,
                f"at most pgbouncer_server_connections ({self.pgbouncer_server_connections})",
            )
        for host in hosts:
            yield from self._too_many_clients(estate, host)

    def _too_many_connections(self, estate, hosts: int) -> Iterator[Problem]:
        allowed = estate.postgres.postgres_max_connections
        wanted = hosts * DATABASES * self.pgbouncer_server_connections + OWN_CONNECTIONS
        if wanted > allowed:
            fits = (allowed - OWN_CONNECTIONS) // (hosts * DATABASES)
            found = (
                f"{self.pgbouncer_server_connections} to each of {DATABASES} databases on {hosts} hosts, and"
                f" {OWN_CONNECTIONS} of the cluster's own: {wanted} connections"
            )
            allow = f"at most {max(fits, 0)}, or postgres_max_connections of {wanted} or more (now {allowed})"
            yield Problem("group_data/router.py", "pgbouncer_server_connections", found, allow)

    def _too_many_clients(self, estate, host) -> Iterator[Problem]:
        """Every process of the application opens its pool and its overflow when it is busy."""
        each = getattr(estate.app, "database_pool_size", 0) + getattr(estate.app, "database_max_overflow", 0)
        processes = getattr(estate.app, "api_workers", 0) if "app" in host.groups else 0
        if "worker" in host.groups:
            workers = getattr(estate.celery, "celery_workers", {})
            processes += sum(worker.concurrency + 1 for worker in workers.values()) + 1  # and Beat
        if processes * each > self.pgbouncer_client_connections:
            found = f"{processes} processes on {host.name} with {each} connections each: {processes * each}"
            most = self.pgbouncer_client_connections // processes
            allowed = f"a sum of at most {most}, or pgbouncer_client_connections of {processes * each} or more"
            yield Problem("group_data/app.py", "database_pool_size + database_max_overflow", found, allowed)
