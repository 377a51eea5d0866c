"""Redis: one instance per role on every host of the group, replicated under Sentinel.

A master moves only when it must be restarted: to a replica that was restarted before.
"""

from typing import Any

from pyinfra import host

from xteam_infra.engine.absent import down, up
from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import password_file
from xteam_infra.engine.host_packages import shell_command, shell_settings
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.redis.needs import (
    EXPORTER_MB,
    EXPORTER_PORT,
    EXPORTER_UNIT,
    SENTINEL,
    SENTINEL_MB,
    SENTINEL_UNIT,
    certificate,
    exporter_certificate,
    memory_mb,
    unit,
)
from xteam_infra.layers.redis.operations import live_settings, reload_certificates, seed, start, users, watch
from xteam_infra.layers.redis.rolling_restart import remove_stale_roles, restart_followers, restart_masters
from xteam_infra.plan import CA_PATH

estate = open_estate()
settings = estate.redis
machine = here()
roles = settings.redis_instances
ports = {role: one.port for role, one in roles.items()}
# Those that are up first: one of them leads what is new, and is asked before a host that can't answer.
members = [member.address for member in (*up(estate.members("redis")), *down(estate.members("redis")))]
certificates = {name: certificate(estate, machine, name) for name in (*roles, SENTINEL)}
paths = {role: (certificates[role].crt, certificates[role].key) for role in roles}
live = {role: settings.live_values(role, len(members), *paths[role]) for role in roles}


def context(name: str) -> dict[str, Any]:
    return {
        "role": name,
        "machine": machine,
        "certificate": certificates[name],
        "instance": roles.get(name),
        "live": live.get(name),
        "memory_mb": memory_mb(estate, name) if name in roles else SENTINEL_MB,
    }


def readable(path: str, template: str, name: str) -> HostFile:
    """A file below /etc/redis, which the services read and never write."""
    return HostFile(f"/etc/redis/{path}", f"redis/{template}.j2", context(name), group="redis", mode="640")


start_files = {role: readable(f"redis-{role}.start.conf", "redis.start.conf", role) for role in roles}
settings_files = [readable(f"redis-{role}.conf", "redis.conf", role) for role in roles]
acl = {role: readable(f"redis-{role}.acl", "redis.acl", role) for role in roles}
units = {
    role: HostFile(f"/etc/systemd/system/{unit(role)}.d/10-xteam.conf", "redis/redis-server.conf.j2", context(role))
    for role in roles
}
sentinel = [
    readable("sentinel-xteam.conf", "sentinel.conf", SENTINEL),
    readable("sentinel-xteam.acl", "sentinel.acl", SENTINEL),
    HostFile(f"/etc/systemd/system/{SENTINEL_UNIT}.d/10-xteam.conf", "redis/redis-sentinel.conf.j2", context(SENTINEL)),
]
all_ports = {**ports, SENTINEL: settings.redis_sentinel_port}
command_settings = {
    "ADDRESS": machine.address,
    "CA": CA_PATH,
    # Who offers a snapshot to restore.
    "BACKUP": next((one.address for one in estate.members("backup")), "nobody"),
    "BACKUP_SECONDS": settings.redis_backup_seconds,
    "RESTORE_PORT": settings.redis_restore_port,
    "REDIS_PORTS": " ".join(f"{name}={port}" for name, port in all_ports.items()),
}
ELIGIBLE = "xteam-redis-eligible@.service"
administration = [
    shell_settings("redis", command_settings),
    *(shell_command(name, mode="700") for name in ("xteam-redis", "xteam-redis-restore", "xteam-redis-handover")),
    shell_command("xteam-redis-eligible"),
    HostFile(f"/etc/systemd/system/{ELIGIBLE}", f"redis/{ELIGIBLE}.j2", {"estate": estate}),
    *(password_file(f"/etc/xteam/redis/{name}.pass", f"redis/{name}/admin") for name in (*roles, SENTINEL)),
    *(password_file(f"/etc/xteam/redis/{name}.replica.pass", f"redis/{name}/replica") for name in roles),
]
scraped = exporter_certificate(estate, machine)
exporter_values = {
    "machine": machine,
    "ports": all_ports,
    "certificate": scraped,
    "exporter_port": EXPORTER_PORT,
    "memory_mb": EXPORTER_MB,
}
exporter = [
    HostFile("/etc/xteam/redis/exporter.json", "redis/exporter.json.j2", exporter_values, mode="600"),
    HostFile(f"/etc/systemd/system/{EXPORTER_UNIT}.d/10-xteam.conf", "redis/exporter.conf.j2", exporter_values),
]

if "redis" in machine.groups:
    directories(
        [
            HostDirectory("/etc/redis", group="redis", mode="750"),
            HostDirectory("/etc/xteam/redis", mode="700"),
            *(HostDirectory(f"/var/lib/redis/{name}", "redis", "redis", "750") for name in (*roles, SENTINEL)),
        ],
        name="Make the Redis directories",
    )
    write(
        [*start_files.values(), *settings_files, *acl.values(), *units.values(), *sentinel, *administration, *exporter],
        name="Write the Redis files",
    )
    # Only what is missing: who follows whom is Sentinel's business ever after.
    seed(ports, machine.address, members, name="Make missing Redis state files")
barrier(name="redis: files are on every host")

serving = {unit(role): role for role in roles} | {SENTINEL_UNIT: SENTINEL}
inputs: dict[str, list[HostFile | str]] = {unit(role): [start_files[role], units[role]] for role in roles}
inputs[SENTINEL_UNIT] = [*sentinel, certificates[SENTINEL].crt]

if "redis" in machine.groups:
    start(serving, inputs, name="Start Redis and Sentinel units that do not serve")
barrier(name="redis: every unit serves")

# What only a restart changes, one host at a time: no role loses all its replicas at once.
for member in loop(estate.members("redis")):
    if member.name == host.name:
        restart_followers(serving, inputs, name=f"Restart Redis replicas on {member.name} (files changed)")
    barrier(name=f"redis: replicas on {member.name} run with their files")

# Their replicas are ready now, so that no write waits longer than a planned hand-over.
for member in loop(estate.members("redis")):
    if member.name == host.name:
        restart_masters(
            serving, inputs, len(members), name=f"Hand over and restart Redis masters on {member.name} (files changed)"
        )
    barrier(name=f"redis: masters on {member.name} run with their files")

if "redis" in machine.groups:
    remove_stale_roles(list(roles), name="Stop stale Redis roles and remove their files (data stays)")
    live_settings(live, paths, name="Apply the Redis settings to the running instances")
    users(acl, paths, name="Load the Redis users into the running instances")
    reload_certificates(paths, name="Load the Redis certificates into the running instances")
    watch(
        ports,
        machine.address,
        members,
        settings.quorum(len(members)),
        {
            "down-after-milliseconds": str(settings.redis_down_after_ms),
            "failover-timeout": str(settings.redis_failover_timeout_ms),
        },
        name="Set the masters that Sentinel monitors",
    )
    service(
        EXPORTER_UNIT,
        [*exporter, scraped.crt],
        health=f"ss -Hltn sport = :{EXPORTER_PORT} | grep -q .",
        name="Run the exporter of Redis' metrics",
    )
barrier(name="redis: applied")
