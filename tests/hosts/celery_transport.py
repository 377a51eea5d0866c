"""Run on a worker host by test_celery_transport.py: what Celery's connections make of a queue that does not lead.

QUEUE, a name of the check's own, is put before it. Prints JSON.
"""

import json
import os
from contextlib import suppress

from celery.app.utils import find_app
from kombu import Consumer, Exchange, Queue
from redis.exceptions import ConnectionError as Lost
from xteam_runtime import settings, transport

app = find_app(settings.read()["app"])
name = globals()["QUEUE"]
place = Queue(name, Exchange(name), routing_key=name)


def taken_for_lost(client, code):
    """Whether a connection counts as lost on which the server has answered with this error."""
    try:
        client.eval(f"return redis.error_reply('-{code} says the check')", 0)
    except Lost:
        return True
    except Exception:
        return False
    raise SystemExit(f"the server did not answer with {code}")


def receive_and_die():
    """Take a message as the worker NAME, and end (9) before anything is done with it."""
    transport.work_as(name)
    with app.connection_for_read() as connection:
        connection.transport._deliver = lambda *_: os._exit(9)
        Consumer(connection.default_channel, [place], on_message=print).consume()
        connection.drain_events(timeout=10)


def taken_and_died():
    """How a process ended that took a message."""
    child = os.fork()
    if child == 0:
        try:
            receive_and_die()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def taken_by_the_dead(connection):
    """How a process ended that took a message, whether that is noted, and whether the message comes back at once to the
    worker that starts under its name, and not to any other; a second time it must wait."""
    sent = app.send_task("xteam.ok", ["check"], queue=place).id
    ended = taken_and_died()
    channel = connection.channel()
    # A scan may name one twice.
    noted = {tag for tag, message in channel.client.hscan_iter(channel.unacked_key) if sent.encode() in message}
    seen = {"ended": ended, "noted": len(noted), "others": started(f"{name}-other")}
    seen["again"] = [started(name), taken_and_died(), started(name)]
    for tag in noted:
        channel.qos.restore_by_tag(tag)
    back = channel.basic_get(name, no_ack=True) if channel._size(name) else None
    return {**seen, "same": bool(back) and back.headers["id"] == sent}


def started(worker):
    """How many messages are in the queue when a worker of that name has started."""
    transport.work_as(worker)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        Consumer(channel, [place], on_message=print).consume()
        return channel._size(name)


def found_while_waiting():
    """How many messages reach a consumer that has found nothing, and looks again by itself only much later."""
    got = []
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        channel.brpop_timeout = 60
        Consumer(channel, [place], on_message=got.append, no_ack=True).consume()
        with suppress(TimeoutError):
            connection.drain_events(timeout=2)
        app.send_task("xteam.ok", ["check"], queue=place)
        with suppress(TimeoutError):
            connection.drain_events(timeout=20)
    return len(got)


with app.pool.acquire(block=True, timeout=10) as connection:
    client = connection.default_channel.client
    try:
        seen = {"lost": {code: taken_for_lost(client, code) for code in ("READONLY", "NOREPLICAS", "UNBLOCKED")}}
        seen["woken"] = found_while_waiting()
        seen["message"] = taken_by_the_dead(connection)
    finally:
        connection.default_channel.client.delete(name, f"_kombu.binding.{name}", f"xteam.wake.{name}")
print(json.dumps(seen))
