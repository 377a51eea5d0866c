"""Rules of the celery layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate

# Memory (MiB) of a worker's main process, and of each of its processes that work.
MAIN_MB, PROCESS_MB = 85, 60
# A delivery that is not acknowledged is made again after the visibility timeout: later than any task can still run.
VISIBILITY_MARGIN = 60


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.celery
    if not estate.members("worker"):
        return
    soft, hard = settings.celery_task_soft_time_limit_seconds, settings.celery_task_time_limit_seconds
    if soft >= hard:
        allowed = f"less than celery_task_time_limit_seconds ({hard}): a task needs time to end"
        yield settings.problem("celery_task_soft_time_limit_seconds", soft, allowed)
    visibility = settings.celery_visibility_timeout_seconds
    if visibility < hard + VISIBILITY_MARGIN:
        allowed = (
            f"at least {hard + VISIBILITY_MARGIN}: celery_task_time_limit_seconds and {VISIBILITY_MARGIN} s more, "
            "or a task that still runs is given to a second worker"
        )
        yield settings.problem("celery_visibility_timeout_seconds", visibility, allowed)
    for name, worker in settings.celery_workers.items():
        if settings.celery_worker_memory_mb < (least := MAIN_MB + PROCESS_MB * worker.concurrency):
            allowed = (
                f"at least {least}: {MAIN_MB}, and {PROCESS_MB} for each of the {worker.concurrency} processes of "
                f"worker {name}"
            )
            yield settings.problem("celery_worker_memory_mb", settings.celery_worker_memory_mb, allowed)
    lock, interval = settings.celery_beat_lock_seconds, settings.celery_beat_interval_seconds
    if lock < 3 * interval:
        allowed = f"at least {3 * interval}: three times celery_beat_interval_seconds, or a healthy Beat loses it"
        yield settings.problem("celery_beat_lock_seconds", lock, allowed)
