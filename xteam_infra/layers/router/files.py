"""The way to whoever leads PostgreSQL and Redis now: HAProxy beside the application, on hosts and in pods alike."""

from typing import Any

from xteam_infra.engine.operations import HostFile
from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.needs import PORT, REST_PORT
from xteam_infra.layers.router.needs import (
    READ_PORT,
    ROUTER_MB,
    ROUTER_UNIT,
    WRITE_PORT,
    redis_ports,
    router_client_certificate,
)
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import CA_PATH, PKI_DIRECTORY

CONFIG = "/etc/xteam/router.cfg"
RUNTIME = "/run/xteam-router"


def values(estate: Estate) -> dict[str, Any]:
    """What its templates are told."""
    return {
        "config": CONFIG,
        "runtime": RUNTIME,
        "memory_mb": ROUTER_MB,
        "postgres": estate.members("postgres"),
        "postgres_port": PORT,
        "rest_port": REST_PORT,
        "patroni_client": f"{PKI_DIRECTORY}/router-client.pem",
        "write_port": WRITE_PORT,
        "read_port": READ_PORT,
        "redis": estate.members("redis"),
        "redis_ports": redis_ports(estate),
    }


def config(estate: Estate) -> HostFile:
    """Its configuration; holds the passwords its checks log in with."""
    return HostFile(
        CONFIG, "router/router.cfg.j2", values(estate), group="haproxy", mode="640", validate="haproxy -c -f {}"
    )


def unit(estate: Estate) -> HostFile:
    """Its unit."""
    return HostFile(f"/etc/systemd/system/{ROUTER_UNIT}", "router/xteam-router.service.j2", values(estate))


def inputs(estate: Estate, machine: Machine) -> list[HostFile | str]:
    """What calls for a reload when it changes."""
    shown = [router_client_certificate(machine).crt] if estate.members("postgres") else []
    return [config(estate), CA_PATH, *shown]
