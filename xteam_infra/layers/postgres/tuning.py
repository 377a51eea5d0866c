"""PostgreSQL's parameters, from the memory it may use, its host's cores and disk, and what the checklist asks for.

docs/operations/postgres.md says where each rule is from.
"""

from typing import NamedTuple

from xteam_infra.plan.needs import CA_PATH
from xteam_infra.settings.postgres import PostgresSettings

LIBRARIES = ("pg_stat_statements", "pgaudit", "auto_explain")
WORK_MEM_FLOOR_MB = 4
# Worker processes are the cluster's, not the host's, and a change of them restarts every member.
WORKER_PROCESSES = 8
# A crash's recovery reads at most so much WAL (MiB); a disk of any size takes that.
MAX_WAL_MB = (256, 8 * 1024)
SLOT_WAL_MB = (512, 200 * 1024)


class Hardware(NamedTuple):
    """What a host has: processor cores, and MiB of the file system that holds the database."""

    cores: int
    disk_mb: int


def of_host(settings: PostgresSettings, hardware: Hardware) -> dict[str, str | int]:
    """Parameters that follow from the host's cores and disk, less those that the settings give by hand."""
    cores = settings.postgres_cores or hardware.cores
    max_wal = settings.postgres_max_wal_mb or _between(hardware.disk_mb // 10, MAX_WAL_MB)
    slot_wal = settings.postgres_slot_wal_mb or _between(hardware.disk_mb // 4, SLOT_WAL_MB)
    wanted: dict[str, str | int] = {
        "max_parallel_workers": min(cores, WORKER_PROCESSES),
        "max_parallel_workers_per_gather": _between(cores // 4, (1, 4)),
        "max_parallel_maintenance_workers": _between(cores // 2, (1, 4)),
        "max_wal_size": f"{max_wal}MB",
        "min_wal_size": f"{max(80, max_wal // 8)}MB",
        "max_slot_wal_keep_size": f"{slot_wal}MB",
    }
    return {key: value for key, value in wanted.items() if key not in settings.postgres_parameters}


def disk_shortage(settings: PostgresSettings, hardware: Hardware) -> str:
    """What is wrong when WAL alone could fill the disk; empty when it fits."""
    wanted = of_host(settings, hardware)
    sizes = [str(wanted.get(key, "0MB")) for key in ("max_wal_size", "max_slot_wal_keep_size")]
    most = sum(int(size.removesuffix("MB")) for size in sizes)
    if most <= hardware.disk_mb * 3 // 4:
        return ""
    return f"WAL of up to {most} MiB on a disk of {hardware.disk_mb} MiB"


def table(settings: PostgresSettings, hardware: Hardware) -> list[str]:
    """What was decided, in short lines."""
    chosen = {**_memory(settings.postgres_memory_mb, settings.postgres_max_connections), **of_host(settings, hardware)}
    chosen |= {key: _text(value) for key, value in settings.postgres_parameters.items()}
    head = f"{settings.postgres_memory_mb} MiB memory, {hardware.cores} cores, {hardware.disk_mb // 1024} GiB disk"
    return [f"tuned for {head}:", *(f"  {name:<33}{value}" for name, value in chosen.items())]


def _between(value: int, bounds: tuple[int, int]) -> int:
    return min(max(value, bounds[0]), bounds[1])


def parameters(settings: PostgresSettings, archived: bool) -> dict[str, str | int]:
    """Every parameter that Patroni passes to PostgreSQL. archived: whether there is a host that takes backups."""
    wanted: dict[str, str | int] = {
        **_memory(settings.postgres_memory_mb, settings.postgres_max_connections),
        **_connections(settings),
        **_durability(settings, archived),
        **_observation(settings),
        **_disk(),
        **_autovacuum(),
    }
    return {**wanted, **{key: _text(value) for key, value in settings.postgres_parameters.items()}}


def _memory(total_mb: int, connections: int) -> dict[str, str | int]:
    """A quarter is PostgreSQL's own recommendation for shared_buffers; the page cache does the rest."""
    shared = total_mb // 4
    return {
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{total_mb * 3 // 4}MB",
        "maintenance_work_mem": f"{min(2048, max(64, total_mb // 16))}MB",
        # A statement may sort and hash more than once: three times is the usual reckoning.
        "work_mem": f"{max(WORK_MEM_FLOOR_MB, (total_mb - shared) // (connections * 3))}MB",
        "huge_pages": "try",
    }


def _connections(settings: PostgresSettings) -> dict[str, str | int]:
    return {
        "max_connections": settings.postgres_max_connections,
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_ca_file": CA_PATH,
        "ssl_cert_file": "/etc/xteam/pki/postgres-server.crt",
        "ssl_key_file": "/etc/xteam/pki/postgres-server.key",
        "ssl_min_protocol_version": "TLSv1.3",
        # A peer whose host vanished is noticed after a minute, not after two hours.
        "tcp_keepalives_idle": 30,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
    }


def _durability(settings: PostgresSettings, archived: bool) -> dict[str, str | int]:
    archive: dict[str, str | int] = {
        "archive_mode": "on",
        "archive_command": "pgbackrest --stanza=main archive-push %p",
        "archive_timeout": f"{settings.postgres_archive_timeout_seconds}s",
    }
    return {
        **(archive if archived else {"archive_mode": "off"}),
        "wal_level": "replica",
        "wal_log_hints": "on",
        "wal_compression": "lz4",
        "checkpoint_timeout": "15min",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
    }


def _observation(settings: PostgresSettings) -> dict[str, str | int]:
    return {
        "shared_preload_libraries": ",".join(LIBRARIES),
        "pgaudit.log": "ddl,role",
        # Writes to what the application may not write are logged, whoever makes them: what this role may do is logged.
        "pgaudit.role": "auditor",
        "pg_stat_statements.track": "top",
        "pg_stat_statements.max": 5000,
        "track_io_timing": "on",
        "auto_explain.log_min_duration": f"{settings.postgres_slow_query_ms}ms",
        "auto_explain.log_nested_statements": "on",
        "auto_explain.sample_rate": _text(settings.postgres_explain_sample),
        "log_min_duration_statement": f"{settings.postgres_slow_query_ms}ms",
        # Values of parameters may be personal data: statements are logged without them.
        "log_parameter_max_length": 0,
        "log_parameter_max_length_on_error": 0,
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_temp_files": "10MB",
        "log_autovacuum_min_duration": "10s",
        "log_line_prefix": "%m [%p] %q%u@%d app=%a client=%h ",
        # The journal takes what comes on standard error and ships it; no second log beside it.
        "log_destination": "stderr",
        "logging_collector": "off",
    }


def _disk() -> dict[str, str | int]:
    """Solid state disks: a random read costs hardly more than the next one."""
    return {"random_page_cost": "1.1", "effective_io_concurrency": 200}


def _autovacuum() -> dict[str, str | int]:
    """Rather often and a little than seldom and much: a tenth of a table, not a fifth, waits to be cleaned."""
    return {"autovacuum_vacuum_scale_factor": "0.1", "autovacuum_analyze_scale_factor": "0.05"}


def _text(value: object) -> str | int:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, int) else str(value)
