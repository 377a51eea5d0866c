"""On hosts of the application and its workers: HAProxy to whoever leads PostgreSQL and Redis now, and PgBouncer."""

from xteam_infra.engine.operations import HostFile, barrier, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.router import files as router
from xteam_infra.layers.router.needs import (
    POOLER_MB,
    POOLER_PORT,
    POOLER_UNIT,
    READ_PORT,
    ROUTER_UNIT,
    WRITE_PORT,
    has_router,
    pooler_certificate,
    pooler_client_certificate,
)
from xteam_infra.plan import CA_PATH

estate = open_estate()
postgres = estate.members("postgres")
routed = has_router(estate) and bool({"app", "worker"} & set(here().groups))
certificate, pooler_client = pooler_certificate(estate, here()), pooler_client_certificate()

router_config, router_unit = router.config(estate), router.unit(estate)

pooler_values = {
    "database": estate.postgres.POSTGRES_DB,
    "certificate": certificate,
    "client": pooler_client,
    "memory_mb": POOLER_MB,
    "socket_directory": "/run/xteam-pgbouncer",
    "pooler_port": POOLER_PORT,
    "write_port": WRITE_PORT,
    "read_port": READ_PORT,
}
pooler_config = HostFile(
    "/etc/pgbouncer/pgbouncer.ini",
    "router/pgbouncer.ini.j2",
    pooler_values,
    owner="postgres",
    group="postgres",
    mode="640",
)
pooler_files = [
    pooler_config,
    HostFile(
        "/etc/pgbouncer/userlist.txt", text="; Empty: passwords are asked of PostgreSQL.", owner="postgres", mode="640"
    ),
    HostFile(f"/etc/systemd/system/{POOLER_UNIT}.d/10-xteam.conf", "router/pgbouncer.service.d.j2", pooler_values),
]

if routed:
    write([router_config, router_unit, *(pooler_files if postgres else [])], name="Write the router's files")
    # Reloads, never restarts: a restart would end every connection of the application.
    service(
        ROUTER_UNIT,
        router.inputs(estate, here()),
        action="reload",
        health="systemctl is-active -q xteam-router.service",
        name="Run the router",
    )
if routed and postgres:
    service(
        POOLER_UNIT,
        [pooler_config, certificate.crt, pooler_client.crt, CA_PATH],
        action="reload",
        health=f"pg_isready -q -h 127.0.0.1 -p {POOLER_PORT}",
        name="Run PgBouncer",
    )
barrier(name="router: applied")
