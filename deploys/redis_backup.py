"""Backups of Redis: the backup host copies each role from a replica, checks it, encrypts it, and proves it weekly.

The Redis hosts can't reach what is kept: nobody pushes.
"""

from xteam_infra.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.plan.redis_backup import certificate, memory_mb, takes_backups
from xteam_infra.runtime import here, open_estate

estate = open_estate()
settings = estate.redis
machine = here()
kept = settings.backed_up()
home = "/etc/xteam/redis-backup"
state = f"{settings.redis_backup_path}/state"

context = {
    "machine": machine,
    "settings": settings,
    "certificate": certificate(estate, machine),
    "memory_mb": memory_mb(estate),
    "values": {
        "roles": {role: one.port for role, one in kept.items()},
        "sentinels": [member.address for member in estate.members("redis")],
        "sentinel_port": settings.redis_sentinel_port,
        "repository": f"{settings.redis_backup_path}/restic",
        "state": state,
        "keep": settings.redis_backup_keep,
        "seconds": settings.redis_backup_seconds,
    },
}


def private(name, template, **more):
    """A file with a password in it, or with what goes with one."""
    return HostFile(f"{home}/{name}", f"redis_backup/{template}.j2", {**context, **more}, mode="600")


def unit(name, template="", **more):
    return HostFile(f"/etc/systemd/system/{name}", f"redis_backup/{template or name}.j2", {**context, **more})


def run_now(name):
    """In its own unit, with its limits: a dropped connection does not end it."""
    return (
        f"systemctl daemon-reload; systemctl start {name} || {{ journalctl --no-pager -n 30 -u {name} >&2; exit 1; }}"
    )


hourly = unit("xteam-redis-backup.timer", "timer", what="When Redis is backed up", calendar=settings.redis_backup_on)
weekly = unit(
    "xteam-redis-prove.timer", "timer", what="When Redis' backups are proved", calendar=settings.redis_backup_prove_on
)
restic = f"restic --no-cache --quiet --repo {settings.redis_backup_path}/restic --password-file {home}/restic.pass"

if takes_backups(estate, machine):
    directories(
        [HostDirectory(path, mode="700") for path in (home, settings.redis_backup_path, state)],
        name="Make the directories of Redis' backups",
    )
    write(
        [
            private("settings.json", "settings.json"),
            private("restic.pass", "password", secret_name=settings.redis_backup_cipher),
            private("sentinel.pass", "password", secret_name="redis/sentinel/backup"),  # noqa: S106
            *(private(f"{role}.pass", "password", secret_name=f"redis/{role}/backup") for role in kept),
            *(private(f"serve-{role}.conf", "serve.conf", role=role, instance=one) for role, one in kept.items()),
            HostFile("/usr/local/sbin/xteam-redis-backup", "redis_backup/xteam-redis-backup.j2", mode="700"),
            unit("xteam-redis-backup.service"),
            unit("xteam-redis-prove.service"),
            unit("xteam-redis-serve@.service"),
            hourly,
            weekly,
        ],
        name="Write the files of Redis' backups",
    )
    # A repository that this key does not open is left as it is, and the run fails.
    ensure(f"{restic} init", f"{restic} cat config", name="Make the repository of Redis' backups")
    ensure(
        run_now("xteam-redis-backup.service"),
        "xteam-redis-backup done take",
        name="Take the first backup of every Redis role",
    )
    ensure(
        run_now("xteam-redis-prove.service"),
        "xteam-redis-backup done prove",
        name="Restore the first backup of every Redis role into a scratch instance",
    )
    service("xteam-redis-backup.timer", [hourly], name="Back Redis up in time")
    service("xteam-redis-prove.timer", [weekly], name="Prove Redis' backups in time")
barrier(name="redis_backup is laid")
