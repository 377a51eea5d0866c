"""The queue's own Redis, reached as the application's Celery reaches it: with its credentials and TLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery


@contextmanager
def channel(app: Celery) -> Iterator[Any]:
    """A channel of the broker; it knows the names of the keys, and its `client` is the Redis client."""
    with app.pool.acquire(block=True, timeout=10) as connection:
        yield connection.default_channel


@contextmanager
def redis(app: Celery) -> Iterator[Any]:
    """The Redis client alone."""
    with channel(app) as found:
        yield found.client
