"""The tasks. They may run twice (a worker dies, a connection breaks), so doing them twice must do no harm."""

import socket
import time
from datetime import timedelta

from celery import Task
from sqlalchemy import delete, func
from sqlalchemy.orm import Session

from xteam.database import engine
from xteam.files import remove_erased_users, remove_old_workspaces
from xteam.models import Heartbeat
from xteam.worker import app

KEEP_HEARTBEATS = timedelta(days=7)


class TemporaryError(Exception):
    """Something that may work the next time."""


@app.task(name="xteam.ok")
def ok(value: float | str = "ok") -> float | str:
    return value


@app.task(name="xteam.slow")
def slow(seconds: float = 5.0) -> float:
    time.sleep(seconds)
    return seconds


@app.task(name="xteam.failing")
def failing(reason: str = "asked to fail") -> None:
    raise RuntimeError(reason)


@app.task(
    name="xteam.retried",
    bind=True,
    autoretry_for=(TemporaryError,),
    retry_backoff=1,  # seconds before the first retry, doubled for each further one
    retry_backoff_max=30,
    # Jitter may make the pause 0; the next run can then succeed before this one has written down that it is retried.
    retry_jitter=False,
    max_retries=5,
)
def retried(self: Task, failures: float = 2) -> int:
    """Fails `failures` times, then succeeds; the number of retries it took."""
    if self.request.retries < failures:
        raise TemporaryError(f"failure {self.request.retries + 1} of {failures:.0f}")
    return self.request.retries


@app.task(name="xteam.heartbeat")
def heartbeat() -> None:
    with Session(engine()) as session:
        session.add(Heartbeat(host=socket.gethostname()))
        session.execute(delete(Heartbeat).where(Heartbeat.at < func.now() - KEEP_HEARTBEATS))
        session.commit()


@app.task(name="xteam.cleanup_workspaces")
def cleanup_workspaces() -> int:
    """Cleans the host it happens to run on; each host's timer runs `python -m xteam.manage cleanup`."""
    with Session(engine()) as session:
        return remove_old_workspaces(session) + remove_erased_users(session)


BY_NAME: dict[str, Task] = {
    "ok": ok,
    "slow": slow,
    "failing": failing,
    "retried": retried,
    "cleanup_workspaces": cleanup_workspaces,
}
