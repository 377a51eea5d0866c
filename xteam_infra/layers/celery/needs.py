"""What the celery layer needs of a host."""

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import METRICS_DIRECTORY, HostRequirements
from xteam_infra.settings.celery import CelerySettings

BEAT_UNIT = "xteam-beat.service"
# Threads and processes Beat may have.
BEAT_TASKS = 32
LIVENESS_TIMER = "xteam-liveness.timer"
METRICS_TIMER = "xteam-celery-metrics.timer"
METRICS = f"{METRICS_DIRECTORY}/xteam-celery.prom"


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """The worker units and a Beat on every host of group worker. They listen on nothing."""
    if "worker" not in machine.groups:
        return HostRequirements()
    settings = estate.celery
    names = settings.celery_workers
    return HostRequirements(
        memory_mb={
            **{f"worker-{name}": settings.celery_worker_memory_mb for name in names},
            "beat": settings.celery_beat_memory_mb,
        },
        units=(*(worker_unit(name) for name in names), BEAT_UNIT, LIVENESS_TIMER, METRICS_TIMER),
    )


def worker_unit(name: str) -> str:
    """The systemd unit of a worker."""
    return f"xteam-worker@{name}.service"


def consumes(settings: CelerySettings, *names: str) -> tuple[str, ...]:
    """Workers and their queues (all workers if none is named), as the modules on the host are told: 2=slow,default"""
    workers = settings.celery_workers
    return tuple(f"{name}={','.join(workers[name].queues)}" for name in names or workers)


def takes_tasks(settings: CelerySettings, name: str) -> str:
    """A command that succeeds once the worker of this host has run a task, and takes them from all its queues."""
    return f"xteam-run -m xteam_runtime.liveness {consumes(settings, name)[0]}"
