"""What the backups of Redis need of the host that takes and keeps them."""

from dataclasses import dataclass

from xteam_infra.cloud.restic import Repository, in_bucket
from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import Certificate, HostRequirements, ListenPort

HOME = "/etc/xteam/redis-backup"
STORAGE_CA = f"{HOME}/storage-ca.crt"
CREDENTIALS = f"{HOME}/s3.credentials"
# Below the bucket; PostgreSQL's are below pgbackrest.
PREFIX = "redis"
# restic's index and buffers, and the scratch instance's own overhead.
TOOLS_MB = 192


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """Takes snapshots, keeps them, proves them, and offers one to the Redis hosts while a restore runs."""
    if not takes_backups(estate, machine):
        return HostRequirements()
    return HostRequirements(
        packages=("redis-server", "redis-tools", "restic"),
        masked=("redis-server.service",),
        listens=(ListenPort(estate.redis.redis_restore_port, "a snapshot of Redis to restore", ("redis",), tls="tls"),),
        certificates=(certificate(estate, machine),),
        memory_mb={"redis-backup": memory_mb(estate)},
        units=tuple(job.timer for job in jobs(estate)),
    )


def takes_backups(estate: Estate, machine: Machine) -> bool:
    """Whether `machine` keeps the backups of Redis."""
    return "backup" in machine.groups and bool(estate.members("redis"))


def memory_mb(estate: Estate) -> int:
    """The largest role in a scratch instance, and what reads and encrypts it."""
    return max(one.memory_mb for one in estate.redis.redis_instances.values()) + TOOLS_MB


def certificate(estate: Estate, machine: Machine) -> Certificate:
    """What the instance shows that offers a snapshot."""
    dns = (machine.name, estate.fqdn(machine.name))
    return Certificate("redis-backup", Subject("redis-backup", dns, (machine.address,)))


@dataclass(frozen=True)
class Job:
    """Work that a timer starts: xteam-redis-NAME.timer. what: the timer's description."""

    name: str
    calendar: str
    what: str

    @property
    def timer(self) -> str:
        """The unit that starts it."""
        return f"xteam-redis-{self.name}.timer"

    @property
    def unit(self) -> str:
        """The unit that does it."""
        return f"xteam-redis-{self.name}.service"


def jobs(estate: Estate) -> tuple[Job, ...]:
    """Every job of the host that keeps the backups, in the order of a first run."""
    settings = estate.redis
    found = [Job("backup", settings.redis_backup_schedule, "When Redis is backed up")]
    if estate.backup.bucket:
        found.append(Job("copy", settings.redis_backup_s3_schedule, "When Redis' backups are copied into the bucket"))
    return (*found, Job("prove", settings.redis_backup_restore_test_schedule, "When Redis' backups are proved"))


def repositories(estate: Estate) -> tuple[Repository, ...]:
    """The directory on the backup host, and the bucket if there is one."""
    settings = estate.redis
    first = Repository(
        1,
        f"{settings.redis_backup_path}/restic",
        settings.redis_backup_encryption_key,
        settings.redis_backup_keep,
        password(1),
    )
    if not estate.backup.bucket:
        return (first,)
    url, options = in_bucket(estate, PREFIX, STORAGE_CA)
    cipher, keep = settings.redis_backup_s3_encryption_key, settings.redis_backup_s3_keep
    return (first, Repository(2, url, cipher, keep, password(2), options, CREDENTIALS))


def password(number: int) -> str:
    """Where the password of a repository is."""
    return f"{HOME}/repository{number}.pass"
