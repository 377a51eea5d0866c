"""pgBackRest: an encrypted repository on the backup host, WAL archived from the databases, backups by timers."""

from shlex import quote

from xteam_infra.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.operations.backup import first_backup, key_fits, stanza
from xteam_infra.plan.backup import PORT, SERVER_PROGRAMS, STANZA, UNIT, callers, certificate, databases, repositories
from xteam_infra.runtime import here, open_estate

estate = open_estate()
settings = estate.backup

is_repository = "backup" in here().groups
is_database = "postgres" in here().groups and bool(estate.members("backup"))
takes_backups = is_repository and bool(estate.members("postgres"))

context = {
    "settings": settings,
    "machine_here": here(),
    "certificate": certificate(estate, here()),
    "callers": callers(estate, here()),
    "databases": databases(estate, here()),
    "repositories": repositories(estate),
    "port": PORT,
    "stanza": STANZA,
    "server": SERVER_PROGRAMS,
}
systemd = "/etc/systemd/system"
pgbackrest = HostFile("/etc/pgbackrest.conf", "backup/pgbackrest.conf.j2", context, group="postgres", mode="640")
hardening = HostFile(f"{systemd}/{UNIT}.d/10-xteam.conf", "backup/pgbackrest.service.d.j2", context)
repository = HostFile(
    "/etc/pgbackrest/conf.d/repository.conf",
    "backup/repository.conf.j2",
    context,
    group="postgres",
    mode="640",
    validate=key_fits(settings.backup_path, STANZA, settings.backup_cipher.name),
)
full = HostFile(
    f"{systemd}/xteam-backup-full.timer",
    "backup/xteam-backup.timer.j2",
    {"kind": "full", "calendar": settings.backup_full_on},
    validate=f"systemd-analyze calendar {quote(settings.backup_full_on)}",
)
differential = HostFile(
    f"{systemd}/xteam-backup-diff.timer",
    "backup/xteam-backup.timer.j2",
    {"kind": "diff", "calendar": settings.backup_differential_on},
    validate=f"systemd-analyze calendar {quote(settings.backup_differential_on)}",
)

if is_repository:
    directories(
        [
            HostDirectory(settings.backup_path, "postgres", "postgres", "750"),
            HostDirectory(settings.restore_directory, "postgres", "postgres", "700"),
        ],
        name="Make the repository's directory",
    )
    write(
        [
            pgbackrest,
            hardening,
            repository,
            full,
            differential,
            HostFile(f"{systemd}/xteam-backup@.service", "backup/xteam-backup@.service.j2", context),
            HostFile(f"{systemd}/xteam-restore@.service", "backup/xteam-restore@.service.j2", context),
            HostFile("/etc/xteam/restore.json", "backup/restore.json.j2", context),
            HostFile("/usr/local/sbin/xteam-restore", "backup/xteam-restore.j2", mode="755"),
        ],
        name="Write the repository host's pgBackRest files",
    )
elif is_database:
    write([pgbackrest, hardening], name="Write the database hosts' pgBackRest files")

if is_repository or is_database:
    # An administrator's `pgbackrest stop`, forgotten, would end archiving without a sign of failure.
    ensure(
        "cd / && runuser -u postgres -- pgbackrest start",
        "! ls /var/spool/pgbackrest/lock/*.stop",
        name="Let pgBackRest work again where it was told to stop",
    )
    service(
        UNIT,
        [pgbackrest, context["certificate"].crt, context["certificate"].key],
        action="reload",
        health="cd / && runuser -u postgres -- pgbackrest server-ping",
        name="Run pgBackRest's server",
    )
barrier(name="pgBackRest's servers reach each other")

if takes_backups:
    stanza(STANZA, name="Make the stanza, and archive a first segment")
    first_backup(STANZA, "xteam-backup@full.service", name="Take the first full backup")
    service("xteam-backup-full.timer", [full], name="Take full backups in time")
    service("xteam-backup-diff.timer", [differential], name="Take differential backups in time")
barrier(name="backup is laid")
