"""Uploads and workspaces: backed up hourly by every API host, kept by the backup host, where no sender can delete, and
copied from there into the bucket, if there is one.

A restore puts back what is missing and overwrites nothing: docs/runbooks/files-restore.md
"""

from collections.abc import Iterable
from typing import Any

from pyinfra import host

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import credentials_file, mtls_proxy_unit_file, password_file, timer_file
from xteam_infra.engine.facts.hardware import HostHardware
from xteam_infra.engine.host_packages import module_command, package_files, shell_command, shell_settings
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, ensure, service, started, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.backup.bucket import bucket, bucket_client, require_usable_s3
from xteam_infra.layers.backup.files import storage_authority
from xteam_infra.layers.files import needs as plan
from xteam_infra.layers.files.restic_validation import opens, reachable
from xteam_infra.plan.needs import CA_PATH, METRICS_DIRECTORY

estate = open_estate()
settings = estate.files
machine = here()
senders = [one for one in estate.machines if plan.sends(estate, one)]
keeper = next(iter(estate.members("backup")), None)
proxy_certificate = plan.proxy_certificate(estate, machine)
context = {
    "settings": settings,
    "machine": machine,
    "plan": plan,
    "senders": senders,
    "proxy": proxy_certificate,
    "client": plan.client_certificate(machine),
    "keeper": estate.fqdn(keeper.name) if keeper else "",
}
command_settings = {
    "CA": CA_PATH,
    "CLIENT": plan.client_certificate(machine).crt,
    "DIRECTORIES": " ".join(plan.DIRECTORIES),
    "PROXY_PORT": plan.PROXY_PORT,
    "METRICS": METRICS_DIRECTORY,
    "KEEPER": context["keeper"],
    "NAME": machine.name,
    "PASSWORD_FILE": f"{plan.HOME}/password",
    "STATE": plan.STATE,
}
require_usable_s3(estate)
copies = [plan.copies(estate, one) for one in senders] if estate.backup.bucket else []
WHEN = {
    "backup": settings.files_backup_schedule,
    "prove": settings.files_backup_restore_test_schedule,
    "record": plan.RECORD_SCHEDULE,
    "keep": settings.files_backup_expire_schedule,
    "copy": settings.files_backup_s3_schedule,
    "prove-copy": settings.files_backup_s3_restore_test_schedule,
}


def unit(name: str, template: str = "", **more: Any) -> HostFile:
    return HostFile(f"/etc/systemd/system/{name}", f"files/{template or name}.j2", {**context, **more})


def keeping() -> dict[str, Any]:
    """What the backup host's jobs need to know; no secret is in it."""
    bucket_url = copies[0].url.rpartition("/")[0] if copies else ""
    where = {"url": bucket_url, "options": copies[0].options, "credentials": plan.CREDENTIALS} if copies else None
    return {
        "path": settings.files_backup_path,
        "state": plan.STATE,
        "metrics": METRICS_DIRECTORY,
        "owner": plan.SERVER_ACCOUNT,
        "senders": [one.name for one in senders],
        "keep": settings.files_backup_keep,
        "directories": list(plan.DIRECTORIES),
        "distinct": settings.files_backup_keep_distinct,
        "shrink_percent": settings.files_backup_shrink_percent,
        "seconds": settings.files_backup_seconds,
        "room_mb": context["room_mb"],
        "bucket": where and {**where, "keep": settings.files_backup_s3_keep},
    }


def timed(jobs: Iterable[str]) -> list[HostFile]:
    """The jobs' units, and the timers that start them."""
    what = "When users' files are worked on ({})"
    return [
        *(unit(f"xteam-files-{job}.service", "xteam-files-job.service", job=job) for job in jobs),
        *(timer_file(plan.timer(job), what.format(job), WHEN[job], spread_seconds=120) for job in jobs),
    ]


# The keeper first, so that the senders find it.
if plan.keeps(estate, machine):
    room_mb = plan.room_mb(estate, host.get_fact(HostHardware, directory=settings.files_backup_path).disk_mb)
    context["room_mb"] = room_mb
    defaults = HostFile("/etc/default/restic-rest-server", "files/restic-rest-server.j2", context)
    limits = unit(f"{plan.SERVER_UNIT}.d/10-xteam.conf", "server-limits.conf")
    proxy = HostFile("/etc/xteam/files-proxy.cfg", "files/proxy.cfg.j2", context, validate="haproxy -c -f {}")
    proxy_unit = mtls_proxy_unit_file(
        plan.PROXY_UNIT, "mTLS proxy of the file backup server", proxy.dest, plan.SERVER_UNIT
    )
    owner = plan.SERVER_ACCOUNT
    directories(
        [
            HostDirectory(plan.HOME, mode="755"),
            HostDirectory(plan.STATE, mode="755"),
            HostDirectory(settings.files_backup_path, owner=owner, group=owner, mode="700"),
        ],
        name="Make the directories of the file backup server",
    )
    write(
        [
            defaults,
            limits,
            proxy,
            proxy_unit,
            *(password_file(f"{plan.HOME}/{one.name}.pass", plan.cipher(one), owner) for one in senders),
            HostFile(f"{plan.HOME}/keep.json", "files/keep.json.j2", {"values": keeping()}),
            *package_files("xteam_files_keep"),
            *package_files("xteam_restic"),
            module_command("xteam-files-keep", "xteam_files_keep"),
            *timed(plan.kept_by(estate)),
        ],
        name="Write the files of the file backup server",
    )
    service(plan.SERVER_UNIT, [defaults, limits], name="Run the append-only server of file backups (restic)")
    service(
        plan.PROXY_UNIT, [proxy, proxy_unit, proxy_certificate.crt], name="Run the mTLS proxy of the file backup server"
    )
    if copies and estate.backup.bucket:
        bucket(
            estate.backup.bucket,
            bucket_client(estate),
            name=f"Make the bucket {estate.backup.bucket.name} for file backups",
        )
        write(
            [
                *storage_authority(estate.backup, plan.STORAGE_CA),
                credentials_file(plan.CREDENTIALS, estate.backup, validate=reachable(copies[0])),
                *(password_file(one.password_file, one.cipher, validate=opens(one)) for one in copies),
            ],
            name="Write the keys of the file backups' copies in the bucket",
        )
barrier(name="files: the backup host's server runs")

if plan.sends(estate, machine):
    directories(
        [HostDirectory(plan.HOME, mode="755"), HostDirectory(plan.STATE, mode="755")],
        name="Make the directories of this host's file backups",
    )
    write(
        [
            password_file(f"{plan.HOME}/password", plan.cipher(machine)),
            shell_command("xteam-files"),
            shell_settings("files", command_settings),
            *timed(plan.SENDS),
        ],
        name="Write the files of this host's file backups",
    )
    if up(estate.members("backup")):
        ensure("xteam-files init", "xteam-files done init", name="Make the repository of this host's file backups")
        ensure(
            started("xteam-files-backup.service"),
            "xteam-files done backup",
            name="Take the first backup of users' files on this host",
        )
        ensure(
            started("xteam-files-prove.service"),
            "xteam-files done prove",
            name="Run the first restore test of this host's file backups",
        )
    for job in plan.SENDS:
        service(plan.timer(job), [], name=f"Run the timer of this host's file backups {plan.timer(job)}")
barrier(name="files: first backups are taken")

# Copies of what the senders have sent by now.
if plan.keeps(estate, machine):
    ensure(
        started("xteam-files-record.service"),
        "xteam-files-keep done record",
        name="Record which file backups have arrived",
    )
    if copies:
        ensure(
            started("xteam-files-copy.service"),
            "xteam-files-keep done copy",
            name="Copy the file backups into the bucket",
        )
        ensure(
            started("xteam-files-prove-copy.service"),
            "xteam-files-keep done prove",
            name="Run the first restore test of the file backups' copies in the bucket",
        )
    for job in loop(plan.kept_by(estate)):
        service(plan.timer(job), [], name=f"Run the timer of the file backup server {plan.timer(job)}")
barrier(name="files: applied")
