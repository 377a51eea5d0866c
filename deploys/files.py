"""Uploads and workspaces: backed up hourly by every API host, kept by the backup host, where no sender can delete.

A restore puts back what is missing and overwrites nothing: docs/runbooks/files-restore.md
"""

from xteam_infra.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.plan import files as plan
from xteam_infra.runtime import here, open_estate
from xteam_infra.shared_files import gate_unit_file, password_file, timer_file

estate = open_estate()
settings = estate.files
machine = here()
senders = [one for one in estate.machines if plan.sends(estate, one)]
keeper = next(iter(estate.members("backup")), None)
context = {
    "settings": settings,
    "machine": machine,
    "plan": plan,
    "senders": senders,
    "gate": plan.gate_certificate(estate, machine),
    "client": plan.client_certificate(estate, machine),
    "keeper": estate.fqdn(keeper.name) if keeper else "",
}
WHEN = {
    "backup": settings.files_backup_on,
    "prove": settings.files_backup_prove_on,
    "keep": settings.files_backup_expire_on,
}


def unit(name, template="", **more):
    return HostFile(f"/etc/systemd/system/{name}", f"files/{template or name}.j2", {**context, **more})


def timed(jobs):
    """The jobs' units, and the timers that start them."""
    what = "When users' files are worked on ({})"
    return [
        *(unit(f"xteam-files-{job}.service", "xteam-files-job.service", job=job) for job in jobs),
        *(timer_file(plan.timer(job), what.format(job), WHEN[job], spread_seconds=120) for job in jobs),
    ]


# The keeper first, so that the senders find it.
if plan.keeps(estate, machine):
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
            HostFile("/usr/local/sbin/xteam-files-keep", "files/xteam-files-keep.j2", context, mode="755"),
            *timed(plan.KEEPS),
        ],
        name="Write the files of what keeps files' backups",
    )
    service(plan.SERVER_UNIT, [defaults, limits], name="Keep files' backups, and let nobody delete one")
    service(plan.GATE_UNIT, [gate, gate_unit, context["gate"].crt], name="Let each host to its own")
    for job in plan.KEEPS:
        service(plan.timer(job), [], name=f"Look after kept files in time ({plan.timer(job)})")
barrier(name="files' backups have a place")

if plan.sends(estate, machine):
    directories(
        [HostDirectory(plan.HOME, mode="755"), HostDirectory(plan.STATE, mode="755")],
        name="Make the directories of what sends files' backups",
    )
    write(
        [
            password_file(f"{plan.HOME}/password", plan.cipher(machine)),
            HostFile("/usr/local/sbin/xteam-files", "files/xteam-files.j2", context, mode="755"),
            *timed(plan.SENDS),
        ],
        name="Write the files of what sends files' backups",
    )
    ensure("xteam-files init", "xteam-files done init", name="Make this host's repository")
    ensure(
        "systemctl daemon-reload; systemctl start xteam-files-backup.service",
        "xteam-files done backup",
        name="Back up what users have stored",
    )
    ensure(
        "systemctl daemon-reload; systemctl start xteam-files-prove.service",
        "xteam-files done prove",
        name="Restore it beside, and compare",
    )
    for job in plan.SENDS:
        service(plan.timer(job), [], name=f"Work on this host's files in time ({plan.timer(job)})")
barrier(name="files is laid")
