"""CELERY_LOADER=xteam_runtime.loader:Loader puts the operator's settings around the application's own.

`defaults` hold where the application says nothing. `forced` hold whatever it says: delivery, time limits and Beat's
lock belong together, and one of them changed alone makes tasks run twice or get lost.
"""

import time
from typing import Any

from celery.loaders.app import AppLoader
from celery.signals import before_task_publish, celeryd_init
from kombu.transport import TRANSPORT_ALIASES
from xteam_runtime import settings

# A header of every task: when it was sent. Redis does not know how long a message has waited.
SENT = "xteam_sent"
TRANSPORT = "xteam_runtime.transport:Transport"
BACKEND = "xteam_runtime.results:Backend"


class Loader(AppLoader):  # type: ignore[misc] # Celery has no types
    """Used by every process that makes the Celery application: workers, Beat, commands, and the API as a producer."""

    override_backends = dict.fromkeys(("redis", "rediss"), BACKEND)

    def __init__(self, app: Any, **arguments: Any):
        super().__init__(app, **arguments)
        TRANSPORT_ALIASES.update(redis=TRANSPORT, rediss=TRANSPORT)
        app.on_after_configure.connect(_force, weak=False)
        before_task_publish.connect(_stamp, weak=False)
        celeryd_init.connect(_work, weak=False)

    @property
    def conf(self) -> dict[str, Any]:
        own = super().conf or {}
        values = {key: own[key] for key in own.keys() if not key.startswith("_")}  # noqa: SIM118 - not a real mapping
        return {**settings.read()["defaults"], **values}

    def on_worker_init(self) -> None:
        # Before the pool forks, so that every process of the worker records failures.
        from xteam_runtime import deadletters, worker_probe

        deadletters.watch()
        worker_probe.register(self.app)


def _force(source: Any, **_: Any) -> None:
    source.update(settings.read()["forced"])
    # RedBeat would use the broker's address by itself only until its version 2.5.
    source.setdefault("redbeat_redis_url", source["broker_url"])


def _work(sender: str, **_: Any) -> None:
    """sender: the worker's name, such as default@app1."""
    from xteam_runtime import results, transport

    transport.work_as(sender)
    results.work()


def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[SENT] = time.time()
