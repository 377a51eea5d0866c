"""The Celery application: `python -m celery -A xteam.worker:app worker`."""

import time
from typing import Any

from celery import Celery, Task
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun, worker_process_init

from xteam.config import get_settings
from xteam.errors import report_to_sentry
from xteam.log import access, configure_logging, request_id

app = Celery("xteam")
app.config_from_object("xteam.celeryconfig")
report_to_sentry(get_settings())


@setup_logging.connect
def _logging(**_: Any) -> None:
    configure_logging(get_settings().LOG_LEVEL)


@worker_process_init.connect
def _report_by_itself(**_: Any) -> None:
    """A forked process must not use its parent's connection to Sentry: each would wait for what the other has read."""
    report_to_sentry(get_settings())


@before_task_publish.connect
def _pass_request_id(headers: dict, **_: Any) -> None:
    if request_id.get() != "-":
        headers["request_id"] = request_id.get()


@task_prerun.connect
def _task_starts(task: Task, task_id: str, **_: Any) -> None:
    request_id.set(getattr(task.request, "request_id", None) or task_id)
    task.request.started = time.perf_counter()


@task_postrun.connect
def _task_ended(task: Task, task_id: str, state: str | None = None, **_: Any) -> None:
    seconds = time.perf_counter() - getattr(task.request, "started", time.perf_counter())
    line = {"task": task.name, "task_id": task_id, "state": state, "ms": round(seconds * 1000, 1)}
    access.info("task", extra={"data": line | {"retries": task.request.retries}})
    request_id.set("-")
