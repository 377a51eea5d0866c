"""Run on a worker host by test_app_errors.py: one task that fails, for each worker of the host; prints their ids.

WORKERS, {unit: its queue}, is put before it.
"""

import json
from uuid import uuid4

from celery.app.utils import find_app
from celery.exceptions import TimeoutError
from kombu import Exchange, Queue
from xteam_runtime import settings

app = find_app(settings.read()["app"])
app.loader.import_default_modules()


tasks = []


def fail(queue):
    """The request id of a task that has failed in the worker that serves this queue."""
    name, place = uuid4().hex, Queue(queue, Exchange(queue), routing_key=queue)
    for _ in range(3):  # the watch over the workers empties these queues when it looks, perhaps just now
        sent = app.send_task("xteam.failing", ["verification"], queue=place, expires=20, headers={"request_id": name})
        try:
            sent.get(timeout=15)
        except TimeoutError:
            continue
        except RuntimeError:
            tasks.append(sent.id)
            return name
    raise SystemExit(f"no worker takes tasks from {queue}")


print(json.dumps({"names": {unit: fail(queue) for unit, queue in globals()["WORKERS"].items()}, "tasks": tasks}))
