"""What the backup layer needs of a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xteam_infra.cloud import Bucket
from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.needs import CREATECLUSTER, CREATECLUSTER_TEXT
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import Certificate, HostRequirements, ListenPort, Reach, as_networks
from xteam_infra.secrets import Secret

if TYPE_CHECKING:
    from xteam_infra.machine import Machine

PORT = 8432
STANZA = "main"
UNIT = "pgbackrest.service"
CLIENT = "pgbackrest-client"
RESULTS = "/var/lib/xteam/backup"
# Where a release is unpacked while its migrations are rehearsed.
REHEARSALS = "/var/lib/xteam/rehearsal"
STORAGE_CA = "/etc/pgbackrest/storage-ca.crt"
TLS_CONF = "/etc/xteam/pgbackrest-openssl.cnf"
METRICS_TIMER = "xteam-backup-metrics.timer"
DRILL_TIMER = "xteam-restore-drill@next.timer"
RECOVERY_MARKER_TIMER = "xteam-recovery-marker.timer"
# Expiry follows each backup; once a day it also happens when backups fail.
EXPIRE_SCHEDULE, CHECK_SCHEDULE = "06:30", "hourly"

# Memory (MiB) of pgBackRest's server and archiver on a database host: 12 resident when idle, the rest for compressing.
ARCHIVER_MB = 128

# What a scratch instance needs to run the cluster's databases: the same server and the same extensions.
SERVER = (DISTRIBUTION.postgres_server, DISTRIBUTION.postgres_pgaudit)
SERVER_PROGRAMS = DISTRIBUTION.postgres_programs


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """pgBackRest on the repository host and on every database host; they call each other."""
    if not estate.members("backup") or not {"backup", "postgres"} & set(machine.groups):
        return HostRequirements()
    is_repository = "backup" in machine.groups
    return HostRequirements(
        packages=("pgbackrest", *(SERVER if is_repository else ())),
        files={CREATECLUSTER: CREATECLUSTER_TEXT} if is_repository else {},
        listens=(
            ListenPort(
                PORT,
                "pgBackRest",
                _callers(machine),
                tls="tls",
                clients=tuple(f"{CLIENT}@{caller.name}" for caller in callers(estate, machine)),
                accounts=("postgres", "root"),
                most=8 * estate.backup.backup_processes + 16,  # a process each
            ),
        ),
        reaches=_bucket(estate) if is_repository else (),
        certificates=(certificate(estate, machine), client_certificate(machine)),
        memory_mb=_memory(estate, is_repository),
        units=(
            UNIT,
            *(_timers(estate) if is_repository and estate.members("postgres") else ()),
            *((RECOVERY_MARKER_TIMER,) if "postgres" in machine.groups else ()),
        ),
    )


def _bucket(estate: Estate) -> tuple[Reach, ...]:
    """pgBackRest runs as postgres; restic, which copies the backups of files and Redis, as root."""
    if not estate.backup.bucket:
        return ()
    storage = estate.backup.storage
    return (Reach("bucket", (storage.port,), ("postgres", "root"), as_networks(storage.host)),)


def _timers(estate: Estate) -> tuple[str, ...]:
    return (*(job.timer for job in jobs(estate)), METRICS_TIMER, DRILL_TIMER)


def certificate(estate: Estate, machine: Machine) -> Certificate:
    """What the server shows."""
    subject = Subject(machine.name, (machine.name, estate.fqdn(machine.name)), (machine.address,))
    return Certificate("pgbackrest-server", subject, owner="postgres")


def client_certificate(machine: Machine) -> Certificate:
    """What the other side's server is shown, which authorises its common name."""
    return Certificate(CLIENT, Subject(f"{CLIENT}.{machine.name}", purpose="client"), owner="postgres")


def _callers(machine: Machine) -> tuple[str, ...]:
    """The repository host calls the databases to copy them; they call it to store and fetch WAL."""
    callers = {"backup": "postgres", "postgres": "backup"}
    return tuple(caller for group, caller in callers.items() if group in machine.groups)


def _memory(estate: Estate, is_repository: bool) -> dict[str, int]:
    if not is_repository:
        return {"pgbackrest": ARCHIVER_MB}
    return {"pgbackrest": estate.backup.backup_memory_mb, "restore": estate.backup.restore_memory_mb}


@dataclass(frozen=True)
class Repository:
    """A place where backups are kept. number: pgBackRest's, as in repo1-path. bucket: none for a directory."""

    number: int
    machine: Machine
    path: str
    cipher: Secret
    retention_days: int
    bucket: Bucket | None = None

    @property
    def name(self) -> str:
        """pgBackRest's word for it."""
        return f"repo{self.number}"


def repositories(estate: Estate) -> tuple[Repository, ...]:
    """The repositories in pgBackRest's order. The backup host alone opens both: it has the keys of the second."""
    settings = estate.backup
    found = []
    for machine in estate.members("backup")[:1]:
        days = settings.backup_retention_days
        found.append(Repository(1, machine, settings.backup_path, settings.backup_encryption_key, days))
        if settings.bucket:
            days = settings.backup_s3_retention_days
            found.append(
                Repository(2, machine, "/pgbackrest", settings.backup_s3_encryption_key, days, settings.bucket)
            )
    return tuple(found)


@dataclass(frozen=True)
class Job:
    """Work on the repositories that a timer starts: xteam-backup@NAME.timer."""

    name: str
    calendar: str

    @property
    def timer(self) -> str:
        """The unit that starts it."""
        return f"xteam-backup@{self.name}.timer"

    @property
    def unit(self) -> str:
        """The unit that does it."""
        return f"xteam-backup@{self.name}.service"


def jobs(estate: Estate) -> tuple[Job, ...]:
    """Every job of the backup host, by repository."""
    settings = estate.backup
    calendars = {
        1: (settings.backup_full_schedule, settings.backup_differential_schedule),
        2: (settings.backup_s3_full_schedule, settings.backup_s3_differential_schedule),
    }
    found = []
    for repository in repositories(estate):
        full, differential = calendars[repository.number]
        found += [
            Job(f"{repository.name}-full", full),
            Job(f"{repository.name}-diff", differential),
            Job(f"{repository.name}-verify", settings.backup_verify_schedule),
            Job(f"{repository.name}-expire", EXPIRE_SCHEDULE),
        ]
    return (*found, Job("check", CHECK_SCHEDULE))


def databases(estate: Estate, machine: Machine) -> tuple[Machine, ...]:
    """The database hosts that pgBackRest on `machine` knows, itself first: it archives from the first one."""
    own = (machine,) if "postgres" in machine.groups else ()
    others = estate.members("postgres") if "backup" in machine.groups else ()
    return (*own, *(other for other in others if other.name != machine.name))


def callers(estate: Estate, machine: Machine) -> tuple[Machine, ...]:
    """The machines that may call pgBackRest's server on `machine`; itself when alone: it wants one."""
    groups = _callers(machine)
    others = tuple(m for m in estate.machines if m.name != machine.name and set(groups) & set(m.groups))
    return others or (machine,)
