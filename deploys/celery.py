"""Celery: workers and Beat on every host of group worker, from the release the app layer has put in use."""

from xteam_infra.engine.commands import loop
from xteam_infra.engine.host_packages import shell_command, shell_settings
from xteam_infra.engine.operations import HostFile, barrier, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app import needs as paths
from xteam_infra.layers.app.operations import in_use
from xteam_infra.layers.celery.needs import (
    BEAT_UNIT,
    LIVENESS_TIMER,
    METRICS,
    METRICS_TIMER,
    consumes,
    takes_tasks,
    worker_unit,
)
from xteam_infra.release import Release

estate = open_estate()
settings = estate.celery
members = estate.members("worker")
names = tuple(settings.celery_workers)
wanted: Release | None = None

if members:
    application.require_backends(estate)
    wanted = application.release(estate)

context = {"paths": paths, "workers": consumes(settings), "metrics": METRICS}
command_settings = {
    "METRICS": METRICS,
    "WORKERS": " ".join(consumes(settings)),
    # A worker is alive that has run one of its last two probes.
    "ALIVE_SECONDS": 2 * settings.celery_liveness_seconds + 60,
}
process_files = application.process_files(estate, here(), wanted.id if wanted else "")
shared: list[HostFile | str] = [*process_files, paths.CURRENT]
worker_template, beat_unit = application.worker_unit(), application.beat_unit()
liveness_timer = HostFile(f"/etc/systemd/system/{LIVENESS_TIMER}", "celery/xteam-liveness.timer.j2", context)
metrics_timer = HostFile(f"/etc/systemd/system/{METRICS_TIMER}", "celery/xteam-celery-metrics.timer.j2", context)
worker_environments = {
    name: application.worker_environment(name, worker) for name, worker in settings.celery_workers.items()
}

if wanted and here() in members:
    in_use(wanted, name="Require that the application's release is current")
    write(
        [
            *process_files,
            *application.commands(estate),
            worker_template,
            *worker_environments.values(),
            beat_unit,
            liveness_timer,
            HostFile("/etc/systemd/system/xteam-liveness.service", "celery/xteam-liveness.service.j2", context),
            *(shell_command(one) for one in ("xteam-liveness", "xteam-celery-metrics", "xteam-deadletters")),
            shell_settings("celery", command_settings),
            metrics_timer,
            HostFile(
                "/etc/systemd/system/xteam-celery-metrics.service", "celery/xteam-celery-metrics.service.j2", context
            ),
        ],
        name="Write Celery's files",
    )
barrier(name="celery: files are on every host")

# One worker at a time, on one host at a time: every queue keeps a worker, and running tasks end where they began.
for peer in loop(members):
    if peer == here():
        for name in loop(names):
            service(
                worker_unit(name),
                [worker_template, worker_environments[name], *shared],
                health=takes_tasks(settings, name),
                health_seconds=90,
                name=f"Run worker {name} on {peer.name}",
            )
        service(BEAT_UNIT, [beat_unit, *shared], name=f"Run Beat on {peer.name}")
        service(LIVENESS_TIMER, [liveness_timer], name=f"Run the liveness timer of the workers on {peer.name}")
        service(METRICS_TIMER, [metrics_timer], name=f"Run the metrics timer of the workers on {peer.name}")
    barrier(name=f"celery: the workers of {peer.name} take tasks")
barrier(name="celery: applied")
