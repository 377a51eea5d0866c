"""What the redis layer needs of a host."""

from math import ceil

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import METRICS_CLIENTS, Certificate, HostRequirements, Leave, ListenPort

SENTINEL = "sentinel"
SENTINEL_UNIT = "redis-sentinel@xteam.service"
# The backup host copies snapshots.
CLIENTS = ("redis", "app", "worker", "backup")
# Code, connections (some 20 KiB each) and the replicas' output buffers, none of which maxmemory counts.
PROCESS_MB = 24
SENTINEL_MB = 32
EXPORTER_UNIT = "prometheus-redis-exporter.service"
EXPORTER_PORT = 9121
EXPORTER_MB = 48
METRICS_CLIENT = "metrics-client"


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """One instance per role and one Sentinel on every host of group redis; on group metrics, what asks them."""
    asks = (metrics_client_certificate(machine),) if "metrics" in machine.groups and estate.members("redis") else ()
    if "redis" not in machine.groups:
        return HostRequirements(certificates=asks)
    settings = estate.redis
    roles = settings.redis_instances
    return HostRequirements(
        packages=("prometheus-redis-exporter", "redis-sentinel", "redis-server", "redis-tools"),
        # Debian's own instances: one without password, one Sentinel open to everyone.
        masked=("redis-sentinel.service", "redis-server.service"),
        listens=(
            *(ListenPort(one.port, f"Redis {role}", CLIENTS, tls="tls") for role, one in roles.items()),
            ListenPort(settings.redis_sentinel_port, "Redis Sentinel", CLIENTS, tls="tls"),
            ListenPort(
                EXPORTER_PORT,
                "metrics of Redis",
                ("metrics",),
                tls="tls",
                clients=(METRICS_CLIENT,),
                issuer=METRICS_CLIENTS,
            ),
        ),
        certificates=(
            *(certificate(estate, machine, name) for name in (*roles, SENTINEL)),
            exporter_certificate(estate, machine),
            *asks,
        ),
        memory_mb={
            **{f"redis-{role}": memory_mb(estate, role) for role in roles},
            "redis-sentinel": SENTINEL_MB,
            "redis-exporter": EXPORTER_MB,
        },
        # Without it a fork for a snapshot fails while half of the memory is still free.
        sysctls={"vm.overcommit_memory": "1", "net.core.somaxconn": "4096"},
        units=(*(unit(role) for role in roles), SENTINEL_UNIT, EXPORTER_UNIT),
        whole={f"Redis {role}": _whole(role, len(estate.members("redis"))) for role in roles},
        leaves={f"Redis {role}": _leave(role, machine) for role in roles if len(estate.members("redis")) > 1},
    )


def _leave(role: str, machine: Machine) -> Leave:
    """A master hands over without losing a write; a replica has nothing to do."""
    master = f"xteam-redis sentinel SENTINEL GET-MASTER-ADDR-BY-NAME {role} | tr -d '\\r' | head -n 1"
    return Leave(f"xteam-redis-handover {role}", leads=f'[ "$({master})" = {machine.address} ]')


def _whole(role: str, members: int) -> str:
    """Shell: Sentinel knows a master, every replica and every other Sentinel of the role, and none is down."""
    asked = "; ".join(f"xteam-redis sentinel SENTINEL {what} {role}" for what in ("MASTER", "REPLICAS", "SENTINELS"))
    known = 1 + 2 * (members - 1)
    return (
        f"said=$({asked}) && ! echo \"$said\" | grep -qE '(s_down|o_down|disconnected)'"
        f' && [ "$(echo "$said" | grep -c "^runid")" -eq {known} ]'
        f" || {{ echo 'one is down or unknown: xteam-redis sentinel SENTINEL REPLICAS {role}'; exit 1; }}"
    )


def unit(role: str) -> str:
    """The systemd unit of a role."""
    return f"redis-server@{role}.service"


def memory_mb(estate: Estate, role: str) -> int:
    """The most a role may use in MiB: its data, the pages copied while a fork writes them out, its buffers."""
    settings = estate.redis
    data = settings.redis_instances[role].memory_mb
    return ceil(data * settings.redis_fork_headroom) + PROCESS_MB


def certificate(estate: Estate, machine: Machine, name: str) -> Certificate:
    """The certificate of a role or of Sentinel. Clients reach it by the host's names, or through a local router.

    Redis shows the same one when it calls: a replica its master, Sentinel everybody.
    """
    dns = (estate.fqdn("redis"), machine.name, estate.fqdn(machine.name), "localhost")
    ips = tuple(dict.fromkeys((machine.address, "127.0.0.1")))
    return Certificate(f"redis-{name}", Subject(f"redis-{name}", dns, ips, "both"), owner="redis")


def exporter_certificate(estate: Estate, machine: Machine) -> Certificate:
    """What the exporter shows to Prometheus."""
    return Certificate("redis-exporter", Subject("redis-exporter", (estate.fqdn(machine.name),), (machine.address,)))


def metrics_client_certificate(machine: Machine) -> Certificate:
    """By which exporters let Prometheus in."""
    subject = Subject(f"{METRICS_CLIENT}.{machine.name}", purpose="client")
    return Certificate(METRICS_CLIENT, subject, issuer=METRICS_CLIENTS)
