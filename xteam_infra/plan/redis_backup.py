"""What the backups of Redis need of the host that takes and keeps them."""

from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import Certificate, Listen, Needs

TIMERS = ("xteam-redis-backup.timer", "xteam-redis-prove.timer")
# restic's index and buffers, and the scratch instance's own overhead.
TOOLS_MB = 192


def needs(estate, machine) -> Needs:
    """Takes snapshots, keeps them, proves them, and offers one to the Redis hosts while a restore runs."""
    if not takes_backups(estate, machine):
        return Needs()
    return Needs(
        packages=("redis-server", "redis-tools", "restic"),
        masked=("redis-server.service",),
        listens=(Listen(estate.redis.redis_restore_port, "a snapshot of Redis to restore", ("redis",)),),
        certificates=(certificate(estate, machine),),
        memory_mb={"redis-backup": memory_mb(estate)},
        units=TIMERS,
    )


def takes_backups(estate, machine) -> bool:
    """Whether `machine` keeps the backups of Redis."""
    return "backup" in machine.groups and bool(estate.members("redis"))


def memory_mb(estate) -> int:
    """The largest role in a scratch instance, and what reads and encrypts it."""
    return max(one.memory_mb for one in estate.redis.redis_instances.values()) + TOOLS_MB


def certificate(estate, machine) -> Certificate:
    """What the instance shows that offers a snapshot."""
    dns = (machine.name, estate.fqdn(machine.name))
    return Certificate("redis-backup", Subject("redis-backup", dns, (machine.address,)))
