"""A task that shows who consumes: sent to a queue, it notes when it ran, and answers whoever waits for it.

Each worker takes tasks from a queue of its own besides those it serves, `own_queue(NODE)`, in one and the same BRPOP.
A probe in there can be run by that worker alone, does not wait behind a long queue, and says which queues its worker
takes tasks from at that moment. So it proves of this very worker what no ping does: that tasks come in, from which
queues, and that a process works on them.
"""

import json
import time
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.signals import task_received
from kombu import Exchange, Queue
from xteam_runtime import broker

TASK = "xteam_runtime.worker_probe"
# A hash: queue -> when the last probe sent to it was run.
RAN = "probes"
# The answer is kept for somebody who waits so long.
ANSWER_SECONDS = 60


def own_queue(node: str) -> str:
    """The queue that only this worker serves."""
    return f"probe.{node}"


def register(app: Celery) -> None:
    """Make the task known to a worker that is starting. The application need not know of it."""
    task_received.connect(_note_queues, weak=False)
    app.task(bind=True, name=TASK, ignore_result=True, acks_late=False, soft_time_limit=20, time_limit=30)(_run)


def _note_queues(sender: Any, request: Any, **_: Any) -> None:
    """In the worker's main process, which alone knows what it consumes; the process that runs the task is another."""
    if request.name == TASK:
        request.request_dict["consumes"] = sorted(queue.name for queue in sender.task_consumer.queues)


def _run(task: Any, queue: str, answer: str | None = None) -> None:
    with broker.redis(task.app) as client:
        pipeline = client.pipeline()
        pipeline.hset(RAN, queue, time.time())
        if answer:
            pipeline.lpush(answer, json.dumps(getattr(task.request, "consumes", [])))
            pipeline.expire(answer, ANSWER_SECONDS)
        pipeline.execute()


def send(app: Celery, queue: str, seconds: float, answered: bool = False) -> str:
    """Send one, which is dropped when nobody has run it after `seconds`. Returns the key of its answer, if wanted."""
    answer = f"probe:{uuid4().hex}" if answered else None
    place = app.amqp.queues.get(queue) or Queue(queue, Exchange(queue), routing_key=queue)
    app.send_task(TASK, [queue], {"answer": answer}, queue=place, expires=seconds)
    return answer or ""
