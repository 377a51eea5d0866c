"""Celery's autoscaler, which also looks at the queues.

Celery's own goes by the tasks that a worker holds. With late acknowledgement and a prefetch multiplier of 1 that is one
a process: it would grow by chance, and after a lost connection, when Celery sets the number of tasks to hold by the
processes there are, not at all.
"""

import time
from typing import Any

from celery.worker.autoscale import Autoscaler
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from xteam_runtime import broker

# Maybe hundreds of tasks come in a second, and the queues are asked over the network.
LOOK_SECONDS = 1


class QueueAutoscaler(Autoscaler):  # type: ignore[misc] # Celery has no types
    """Grows to its upper bound while all its processes are at work and tasks wait in a queue it serves."""

    _looked = 0.0

    @property
    def qty(self) -> int:
        """Tasks to work on: those that are held, and those that wait if there is nobody for them."""
        held: int = super().qty
        return held if held < self.processes or self.processes >= self.max_concurrency else held + self._waiting()

    def _waiting(self) -> int:
        """None while the queues can't be asked: the worker finds that out by itself."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return 0
        self._looked = time.monotonic()
        consumer: Any = self.worker.consumer
        try:
            with broker.channel(self.worker.app) as channel:
                return sum(channel._size(queue.name) for queue in consumer.task_consumer.queues)
        except (OperationalError, RedisError, OSError):
            return 0

    def _grow(self, n: int) -> None:
        """With a task to hold for each process."""
        super()._grow(n)
        consumer = self.worker.consumer
        if missing := max(0, self.processes * consumer.prefetch_multiplier - consumer.qos.value):
            consumer.qos.increment_eventually(missing)
