"""Uploads and workspaces: backed up hourly by every API host, kept by the backup host, where no sender can delete, and
copied from there into the bucket, if there is one.

A restore puts back what is missing and overwrites nothing: docs/runbooks/files-restore.md
"""

from collections.abc import Iterable
from typing import Any

from pyinfra import host

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import credentials_file, gate_unit_file, password_file, timer_file
from xteam_infra.engine.facts.hardware import HostHardware
from xteam_infra.engine.host_packages import carried, module_command, shell_command, shell_settings
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, ensure, service, started, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.backup.bucket import bucket, bucket_client, refuse_unusable_s3
from xteam_infra.layers.backup.files import storage_authority
from xteam_infra.layers.files import needs as plan
from xteam_infra.layers.files.restic_validation import opens, reachable
from xteam_infra.plan.needs import CA_PATH, METRICS_DIRECTORY

estate = open_estate()
settings = estate.files
machine = here()
senders = [one for one in estate.machines if plan.sends(estate, one)]
keeper = next(iter(estate.members("backup")), None)
gate_certificate = plan.gate_certificate(estate, machine)
context = {
    "settings": settings,
    "machine": machine,
    "plan": plan,
    "senders": senders,
    "gate": gate_certificate,
    "client": plan.client_certificate(machine),
    "keeper": estate.fqdn(keeper.name) if keeper else "",
}
command_settings = {
    "CA": CA_PATH,
    "CLIENT": plan.client_certificate(machine).crt,
    "DIRECTORIES": " ".join(plan.DIRECTORIES),
    "GATE_PORT": plan.GATE_PORT,
    "METRICS": METRICS_DIRECTORY,
    "KEEPER": context["keeper"],
    "NAME": machine.name,
    "PASSWORD_FILE": f"{plan.HOME}/password",
    "STATE": plan.STATE,
}
refuse_unusable_s3(estate)
copies = [plan.copies(estate, one) for one in senders] if estate.backup.bucket else []
WHEN = {
    "backup": settings.files_backup_on,
    "prove": settings.files_backup_prove_on,
    "record": plan.RECORD_ON,
    "keep": settings.files_backup_expire_on,
    "copy": settings.files_backup_s3_on,
    "prove-copy": settings.files_backup_s3_prove_on,
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
    gate = HostFile("/etc/xteam/files-gate.cfg", "files/gate.cfg.j2", context, validate="haproxy -c -f {}")
    gate_unit = gate_unit_file(plan.GATE_UNIT, "Door of the backups of users' files", gate.dest, plan.SERVER_UNIT)
    owner = plan.SERVER_ACCOUNT
    directories(
        [
            HostDirectory(plan.HOME, mode="755"),
            HostDirectory(plan.STATE, mode="755"),
            HostDirectory(settings.files_backup_path, owner=owner, group=owner, mode="700"),
        ],
        name="Make the directories of files' backups",
    )
    write(
        [
            defaults,
            limits,
            gate,
            gate_unit,
            *(password_file(f"{plan.HOME}/{one.name}.pass", plan.cipher(one), owner) for one in senders),
            HostFile(f"{plan.HOME}/keep.json", "files/keep.json.j2", {"values": keeping()}),
            *carried("xteam_files_keep"),
            *carried("xteam_restic"),
            module_command("xteam-files-keep", "xteam_files_keep"),
            *timed(plan.kept_by(estate)),
        ],
        name="Write the files of what keeps files' backups",
    )
    service(plan.SERVER_UNIT, [defaults, limits], name="Keep files' backups, and let nobody delete one")
    service(plan.GATE_UNIT, [gate, gate_unit, gate_certificate.crt], name="Let each host to its own")
    if copies and estate.backup.bucket:
        bucket(
            estate.backup.bucket, bucket_client(estate), name=f"Make the bucket {estate.backup.bucket.name} for files"
        )
        write(
            [
                *storage_authority(estate.backup, plan.STORAGE_CA),
                credentials_file(plan.CREDENTIALS, estate.backup, validate=reachable(copies[0])),
                *(password_file(one.password_file, one.cipher, validate=opens(one)) for one in copies),
            ],
            name="Write what opens the copies of files' backups",
        )
barrier(name="files' backups have a place")

if plan.sends(estate, machine):
    directories(
        [HostDirectory(plan.HOME, mode="755"), HostDirectory(plan.STATE, mode="755")],
        name="Make the directories of what sends files' backups",
    )
    write(
        [
            password_file(f"{plan.HOME}/password", plan.cipher(machine)),
            shell_command("xteam-files"),
            shell_settings("files", command_settings),
            *timed(plan.SENDS),
        ],
        name="Write the files of what sends files' backups",
    )
    if up(estate.members("backup")):
        ensure("xteam-files init", "xteam-files done init", name="Make this host's repository")
        ensure(started("xteam-files-backup.service"), "xteam-files done backup", name="Back up what users have stored")
        ensure(started("xteam-files-prove.service"), "xteam-files done prove", name="Restore it beside, and compare")
    for job in plan.SENDS:
        service(plan.timer(job), [], name=f"Work on this host's files in time ({plan.timer(job)})")
barrier(name="files are sent to their place")

# Copies of what the senders have sent by now.
if plan.keeps(estate, machine):
    ensure(
        started("xteam-files-record.service"),
        "xteam-files-keep done record",
        name="Note what has arrived of files' backups",
    )
    if copies:
        ensure(
            started("xteam-files-copy.service"),
            "xteam-files-keep done copy",
            name="Copy files' backups into the bucket",
        )
        ensure(
            started("xteam-files-prove-copy.service"),
            "xteam-files-keep done prove",
            name="Restore the copies, and compare",
        )
    for job in loop(plan.kept_by(estate)):
        service(plan.timer(job), [], name=f"Look after kept files in time ({plan.timer(job)})")
barrier(name="files is laid")
