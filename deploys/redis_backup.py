"""Backups of Redis: the backup host copies each role from a replica, checks it, encrypts it, copies it into the bucket
if there is one, and proves it weekly.

The Redis hosts can't reach what is kept: nobody pushes.
"""

from typing import Any

from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import credentials_file, password_file, timer_file
from xteam_infra.engine.host_packages import module_command, package_files
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.backup.bucket import bucket, bucket_client, require_usable_s3
from xteam_infra.layers.backup.files import storage_authority
from xteam_infra.layers.files.restic_validation import opens, reachable
from xteam_infra.layers.redis_backup.needs import (
    CREDENTIALS,
    HOME,
    STORAGE_CA,
    certificate,
    jobs,
    memory_mb,
    repositories,
    takes_backups,
)
from xteam_infra.layers.redis_backup.operations import first_of_each_role
from xteam_infra.plan import CA_PATH
from xteam_infra.plan.needs import METRICS_DIRECTORY

estate = open_estate()
settings = estate.redis
machine = here()
kept = settings.backed_up()
state = f"{settings.redis_backup_path}/state"
require_usable_s3(estate)

context = {
    "machine": machine,
    "settings": settings,
    "certificate": certificate(estate, machine),
    "memory_mb": memory_mb(estate),
    "values": {
        "roles": {role: one.port for role, one in kept.items()},
        "sentinels": [member.address for member in estate.members("redis")],
        "sentinel_port": settings.redis_sentinel_port,
        "repositories": [
            {"number": one.number, "url": one.url, "options": one.options, "keep": one.keep, "cipher": one.cipher.name}
            for one in repositories(estate)
        ],
        "state": state,
        "seconds": settings.redis_backup_seconds,
        "ca": CA_PATH,
        "metrics": METRICS_DIRECTORY,
    },
}


def private(path: str, template: str, validate: str = "", **more: Any) -> HostFile:
    """A file that goes with a password."""
    return HostFile(path, f"redis_backup/{template}.j2", {**context, **more}, mode="600", validate=validate)


def unit(name: str, template: str = "", **more: Any) -> HostFile:
    return HostFile(f"/etc/systemd/system/{name}", f"redis_backup/{template or name}.j2", {**context, **more})


timers = {job.timer: timer_file(job.timer, job.what, job.calendar, spread_seconds=60) for job in jobs(estate)}
passwords = {
    "sentinel": "redis/sentinel/backup",
    **{role: f"redis/{role}/backup" for role in kept},
}
# What opens the bucket is there before the password is tried on it.
storage = [
    *storage_authority(estate.backup, STORAGE_CA),
    *(credentials_file(CREDENTIALS, estate.backup, validate=reachable(one)) for one in repositories(estate)[1:]),
]

if takes_backups(estate, machine):
    if estate.backup.bucket:
        bucket(
            estate.backup.bucket,
            bucket_client(estate),
            name=f"Make the bucket {estate.backup.bucket.name} for Redis' backups",
        )
    directories(
        [HostDirectory(path, mode="700") for path in (HOME, settings.redis_backup_path, state)],
        name="Make the directories of Redis' backups",
    )
    write(
        [
            *storage,
            *(password_file(one.password_file, one.cipher, validate=opens(one)) for one in repositories(estate)),
            *(password_file(f"{HOME}/{name}.pass", secret) for name, secret in passwords.items()),
            private(f"{HOME}/settings.json", "settings.json"),
            *(
                private(f"{HOME}/serve-{role}.conf", "serve.conf", role=role, instance=one)
                for role, one in kept.items()
            ),
            *package_files("xteam_redis_backup"),
            *package_files("xteam_restic"),
            module_command("xteam-redis-backup", "xteam_redis_backup", mode="700", keeps=("NOTIFY_SOCKET",)),
            *(unit(job.unit) for job in jobs(estate)),
            unit("xteam-redis-serve@.service"),
            *timers.values(),
        ],
        name="Write the files of Redis' backups",
    )
    ensure("xteam-redis-backup init", "xteam-redis-backup done init", name="Make the repositories of Redis' backups")
    first_of_each_role(
        "take",
        "xteam-redis-backup.service",
        estate.members("redis"),
        kept,
        name="Take the first backup of every Redis role",
    )
    if estate.backup.bucket:
        first_of_each_role(
            "copy",
            "xteam-redis-copy.service",
            estate.members("redis"),
            kept,
            name="Copy the first backup of every Redis role into the bucket",
        )
    first_of_each_role(
        "prove",
        "xteam-redis-prove.service",
        estate.members("redis"),
        kept,
        name="Run the first restore test of every Redis role",
    )
    for timer in loop(list(timers)):
        service(timer, [timers[timer]], name=f"Run the Redis backup timer {timer}")
barrier(name="redis_backup: applied")
