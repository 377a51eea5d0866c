"""Rules of the router layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.settings.postgres import OWN_CONNECTIONS
from xteam_infra.settings.router import DATABASES


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.router
    hosts = [m for m in estate.machines if {"app", "worker"} & set(m.groups)]
    if not (hosts and estate.members("postgres")):
        return
    yield from _too_many_connections(estate, len(hosts))
    if settings.pgbouncer_pool_size > settings.pgbouncer_server_connections:
        yield settings.problem(
            "pgbouncer_pool_size",
            settings.pgbouncer_pool_size,
            f"at most pgbouncer_server_connections ({settings.pgbouncer_server_connections})",
        )
    for host in hosts:
        yield from _too_many_clients(estate, host)


def _too_many_connections(estate: Estate, hosts: int) -> Iterator[Problem]:
    settings = estate.router
    allowed = estate.postgres.postgres_max_connections
    wanted = hosts * DATABASES * settings.pgbouncer_server_connections + OWN_CONNECTIONS
    if wanted > allowed:
        fits = (allowed - OWN_CONNECTIONS) // (hosts * DATABASES)
        found = (
            f"{settings.pgbouncer_server_connections} to each of {DATABASES} databases on {hosts} hosts, and"
            f" {OWN_CONNECTIONS} of the cluster's own: {wanted} connections"
        )
        allow = f"at most {max(fits, 0)}, or postgres_max_connections of {wanted} or more (now {allowed})"
        yield Problem("group_data/router.py", "pgbouncer_server_connections", found, allow)


def _too_many_clients(estate: Estate, host: Machine) -> Iterator[Problem]:
    """Every process of the application opens its pool and its overflow when it is busy."""
    settings = estate.router
    each = estate.app.database_pool_size + estate.app.database_max_overflow
    processes = estate.app.api_workers if "app" in host.groups else 0
    if "worker" in host.groups:
        workers = estate.celery.celery_workers.values()
        processes += sum(worker.concurrency + 1 for worker in workers) + 1  # and Beat
    if processes * each > settings.pgbouncer_client_connections:
        found = f"{processes} processes on {host.name} with {each} connections each: {processes * each}"
        most = settings.pgbouncer_client_connections // processes
        allowed = f"a sum of at most {most}, or pgbouncer_client_connections of {processes * each} or more"
        yield Problem("group_data/app.py", "database_pool_size + database_max_overflow", found, allowed)
