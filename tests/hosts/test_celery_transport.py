"""Celery and its queue: while its Redis hands over its lead nobody is refused, and killed workers lose no message."""

from pathlib import Path
from uuid import uuid4

import pytest
from xteam_client import run_python

pytestmark = [pytest.mark.group("worker"), pytest.mark.item("CEL-04")]

SCRIPT = Path(__file__).with_name("celery_transport.py")


@pytest.fixture
def seen(host):
    """What celery_transport.py has seen on the host."""
    return run_python(host, f"QUEUE = 'check-{uuid4().hex[:8]}'\n{SCRIPT.read_text()}")


def test_publisher_waits_for_new_queue_master(seen):
    """Its refusal counts as a lost connection, which is tried again; kombu would hand the error to the sender."""
    asked_once = [code for code, lost in seen["lost"].items() if not lost]
    assert not asked_once, f"an error for whoever sends: {', '.join(asked_once)}"


def test_blocked_worker_receives_new_task_at_once(seen):
    """By whoever sends, whichever of its queues the message is for."""
    assert seen["woken"] == 1, "a message waits until the worker looks again by itself"


def test_message_is_taken_and_marked_unacked_atomically(seen):
    """By a process that dies as soon as it has it: the note brings the message back when its time is up."""
    message = seen["message"]
    assert message["ended"] == 9, f"no message came: {message}"
    assert message["noted"] == 1 and message["same"], f"it is lost: {message}"


def test_restarted_worker_takes_its_unacked_tasks(seen):
    """At once, and once: what was delivered again before may be what ends it. Nobody takes it from one that lives."""
    message = seen["message"]
    assert message["others"] == 0, f"another worker puts back what this one may still have: {message}"
    assert message["again"] == [1, 9, 0], f"in the queue after a start, how the next ended, after its start: {message}"
