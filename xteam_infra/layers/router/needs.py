"""What the router layer needs of a host: local ways to whoever leads PostgreSQL and Redis now."""

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import PATRONI_CLIENTS, Certificate, HostRequirements, ListenPort

ROUTER_UNIT = "xteam-router.service"
POOLER_UNIT = "pgbouncer.service"
WRITE_PORT = 5440
READ_PORT = 5441
POOLER_PORT = 6432
# A Redis role's master is behind its own port plus this.
REDIS_OFFSET = 10_000

# Memory (MiB): HAProxy with its connection buffers; PgBouncer with a thousand clients.
ROUTER_MB = 96
POOLER_MB = 64


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """HAProxy and PgBouncer on loopback, on hosts that run the application or its workers."""
    if not {"app", "worker"} & set(machine.groups):
        return HostRequirements()
    return _join(_postgres(estate, machine), _redis(estate), _haproxy(estate))


def has_router(estate: Estate) -> bool:
    """Whether there is anything to route to."""
    return bool(estate.members("postgres") or estate.members("redis"))


def redis_ports(estate: Estate) -> dict[str, int]:
    """Local port of each Redis role's master; empty without Redis."""
    instances = estate.redis.redis_instances if estate.members("redis") else {}
    return {name: instance.port + REDIS_OFFSET for name, instance in instances.items()}


def pooler_certificate(estate: Estate, machine: Machine) -> Certificate:
    """What PgBouncer shows to its clients."""
    dns = (estate.fqdn("pgbouncer"), estate.fqdn(machine.name), "localhost")
    return Certificate("pgbouncer", Subject("pgbouncer", dns, ("127.0.0.1",)), owner="postgres")


def pooler_client_certificate() -> Certificate:
    """By which PostgreSQL knows PgBouncer as the role pgbouncer."""
    return Certificate("pgbouncer-client", Subject("pgbouncer", purpose="client"), owner="postgres")


def router_client_certificate(machine: Machine) -> Certificate:
    """By which Patroni answers the router's checks."""
    subject = Subject(f"router-client.{machine.name}", purpose="client")
    return Certificate("router-client", subject, owner="haproxy", bundle=True, issuer=PATRONI_CLIENTS)


def _haproxy(estate: Estate) -> HostRequirements:
    if not has_router(estate):
        return HostRequirements()
    return HostRequirements(packages=("haproxy",), memory_mb={"router": ROUTER_MB}, units=(ROUTER_UNIT,))


def _postgres(estate: Estate, machine: Machine) -> HostRequirements:
    if not estate.members("postgres"):
        return HostRequirements()
    return HostRequirements(
        packages=("pgbouncer", DISTRIBUTION.postgres_client),
        listens=(
            ListenPort(WRITE_PORT, "PostgreSQL's leader", ("local",), tls="postgres"),
            ListenPort(READ_PORT, "PostgreSQL's replicas", ("local",), tls="postgres"),
            ListenPort(POOLER_PORT, "PgBouncer", ("local",), tls="postgres"),
        ),
        certificates=(
            pooler_certificate(estate, machine),
            pooler_client_certificate(),
            router_client_certificate(machine),
        ),
        memory_mb={"pgbouncer": POOLER_MB},
        units=(POOLER_UNIT,),
    )


def _redis(estate: Estate) -> HostRequirements:
    ports = redis_ports(estate)
    return HostRequirements(
        listens=tuple(
            ListenPort(port, f"master of Redis {name}", ("local",), tls="tls") for name, port in ports.items()
        )
    )


def _join(*parts: HostRequirements) -> HostRequirements:
    return HostRequirements(
        packages=tuple(name for part in parts for name in part.packages),
        listens=tuple(one for part in parts for one in part.listens),
        certificates=tuple(one for part in parts for one in part.certificates),
        memory_mb={name: mb for part in parts for name, mb in part.memory_mb.items()},
        units=tuple(unit for part in parts for unit in part.units),
    )
