"""pgBackRest: encrypted repositories (a directory on the backup host, a bucket elsewhere), WAL archived from the
databases, backups and their checks by timers."""

from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import timer_file
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.engine.runtime import here, inventory_path, open_estate
from xteam_infra.layers.backup.bucket import bucket, bucket_client, require_usable_s3
from xteam_infra.layers.backup.cluster import keep_aside, own_repositories
from xteam_infra.layers.backup.files import (
    DATABASE_COMMANDS,
    REPOSITORY_COMMANDS,
    operator_files,
    recovery_marker_files,
    storage_authority,
)
from xteam_infra.layers.backup.needs import (
    CLIENT,
    DRILL_TIMER,
    METRICS_TIMER,
    PORT,
    RECOVERY_MARKER_TIMER,
    RESULTS,
    SERVER_PROGRAMS,
    STANZA,
    STORAGE_CA,
    TLS_CONF,
    UNIT,
    callers,
    certificate,
    client_certificate,
    databases,
    jobs,
    repositories,
)
from xteam_infra.layers.backup.operations import first_backup, first_drill, keys_fit, stanza

estate = open_estate()
settings = estate.backup
require_usable_s3(estate)

is_repository = "backup" in here().groups
is_database = "postgres" in here().groups and bool(estate.members("backup"))
takes_backups = is_repository and bool(estate.members("postgres"))

server_certificate = certificate(estate, here())
context = {
    "settings": settings,
    "machine_here": here(),
    "certificate": server_certificate,
    "client": client_certificate(here()),
    "callers": [f"{CLIENT}.{caller.name}" for caller in callers(estate, here())],
    "databases": databases(estate, here()),
    "repositories": repositories(estate),
    "port": PORT,
    "stanza": STANZA,
    "server": SERVER_PROGRAMS,
    "storage_ca": STORAGE_CA,
    "tls_conf": TLS_CONF,
}
systemd = "/etc/systemd/system"
pgbackrest = HostFile("/etc/pgbackrest.conf", "backup/pgbackrest.conf.j2", context, group="postgres", mode="640")
tls = HostFile(TLS_CONF, "backup/openssl.cnf.j2")
hardening = HostFile(f"{systemd}/{UNIT}.d/10-xteam.conf", "backup/pgbackrest.service.d.j2", context)
storage_ca = storage_authority(settings, STORAGE_CA)
repository = HostFile(
    "/etc/pgbackrest/conf.d/repository.conf",
    "backup/repository.conf.j2",
    context,
    group="postgres",
    mode="640",
    validate=keys_fit(repositories(estate), STANZA),
)
timers = {
    job.timer: timer_file(job.timer, f"Time of {job.name} of PostgreSQL's backups", job.calendar)
    for job in jobs(estate)
}
timers[METRICS_TIMER] = HostFile(f"{systemd}/{METRICS_TIMER}", "backup/xteam-backup-metrics.timer.j2")
timers[DRILL_TIMER] = timer_file(
    DRILL_TIMER, "Time of the restore drill; repositories take turns", settings.restore_drill_schedule
)
marker = recovery_marker_files()

if is_repository:
    if settings.bucket:
        bucket(settings.bucket, bucket_client(estate), name=f"Make the bucket {settings.bucket.name}")
    directories(
        [
            HostDirectory(settings.backup_path, "postgres", "postgres", "750"),
            HostDirectory(settings.restore_directory, "postgres", "postgres", "700"),
            HostDirectory(RESULTS, "postgres", "postgres", "755"),
        ],
        name="Make pgBackRest's directories",
    )
    write(
        [
            pgbackrest,
            tls,
            hardening,
            *storage_ca,
            repository,
            *timers.values(),
            *operator_files(context, REPOSITORY_COMMANDS),
            *(marker if is_database else []),
            HostFile(f"{systemd}/xteam-restore-drill@.service", "backup/xteam-restore-drill@.service.j2", context),
            HostFile(f"{systemd}/xteam-backup@.service", "backup/xteam-backup@.service.j2", context),
            HostFile(f"{systemd}/xteam-backup-metrics.service", "backup/xteam-backup-metrics.service.j2", context),
            HostFile(f"{systemd}/xteam-restore@.service", "backup/xteam-restore@.service.j2", context),
        ],
        name="Write the repository host's pgBackRest files",
    )
elif is_database:
    write(
        [pgbackrest, tls, hardening, *operator_files(context, DATABASE_COMMANDS), *marker],
        name="Write the database host's pgBackRest files",
    )

if is_repository or is_database:
    # An administrator's `pgbackrest stop`, forgotten, would end archiving without a sign of failure.
    ensure(
        "cd / && runuser -u postgres -- pgbackrest start",
        "! ls /var/spool/pgbackrest/lock/*.stop",
        name="Remove pgBackRest's stop files (pgbackrest start)",
    )
    service(
        UNIT,
        [pgbackrest, server_certificate.crt, server_certificate.key],
        action="reload",
        health="cd / && runuser -u postgres -- pgbackrest server-ping",
        name="Run pgBackRest's server",
    )
if is_repository or is_database:
    # What only a start changes. A backup that is running fails, and is taken by the next timer.
    ensure(
        f"systemctl restart {UNIT}",
        f"grep -qz '^OPENSSL_CONF={TLS_CONF}$' /proc/$(systemctl show -P MainPID {UNIT})/environ",
        name="Restart pgBackRest's server (it runs without its TLS configuration)",
    )
if is_database:
    # The first one is written at once: the restore drill below looks for it.
    service(
        RECOVERY_MARKER_TIMER,
        marker,
        health="systemctl start xteam-recovery-marker.service",
        name="Run the timer of the recovery marker row",
    )
barrier(name="backup: pgBackRest's servers run")

if takes_backups:
    if settings.begin_anew:
        for one in loop(repositories(estate)):
            keep_aside(
                estate,
                one,
                settings.begin_anew,
                name=f"Move the stanza of cluster {settings.begin_anew} aside in {one.name}",
            )
    own_repositories(
        estate, repositories(estate), inventory_path(), name="Require that the repositories are of the running cluster"
    )
    stanza(
        STANZA,
        tuple(one.number for one in repositories(estate)),
        name="Make the stanza in pgBackRest's repositories and archive a first segment",
    )
    for one in loop(repositories(estate)):
        unit = f"xteam-backup@{one.name}-full.service"
        first_backup(STANZA, one.number, unit, name=f"Take the first full backup into {one.name}")
    # From the first repository; the timer begins with the second.
    first_drill(repositories(estate)[:1], name="Run the first restore drill of PostgreSQL")
    for timer in loop(list(timers)):
        service(timer, [timers[timer]], name=f"Run the backup timer {timer}")
barrier(name="backup: applied")
