"""What the celery layer needs of a host."""

from xteam_infra.plan.needs import Needs

BEAT_UNIT = "xteam-beat.service"
LIVENESS_TIMER = "xteam-liveness.timer"


def needs(estate, machine) -> Needs:
    """The worker units and a Beat on every host of group worker. They listen on nothing."""
    if "worker" not in machine.groups:
        return Needs()
    settings = estate.celery
    names = settings.celery_workers
    return Needs(
        memory_mb={
            **{f"worker-{name}": settings.celery_worker_memory_mb for name in names},
            "beat": settings.celery_beat_memory_mb,
        },
        units=(*(worker_unit(name) for name in names), BEAT_UNIT, LIVENESS_TIMER),
    )


def worker_unit(name: str) -> str:
    """The systemd unit of a worker."""
    return f"xteam-worker@{name}.service"
