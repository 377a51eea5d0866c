"""Run on a worker host by test_celery_transport.py: what Celery's connections make of a queue that does not lead.

QUEUE, a name of the check's own, is put before it. Prints JSON.
"""

import json

from celery.app.utils import find_app
from kombu import Exchange, Queue
from redis.exceptions import ConnectionError as Lost
from xteam_operator import settings

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


def lost_from_hand(connection):
    """Take a message, and lose the channel before it is noted: how many wait then, and with the next channel."""
    sent = app.send_task("xteam.ok", ["check"], queue=place).id
    channel = connection.channel()
    message, notes = channel.basic_get(name, no_ack=True), channel.qos
    channel.close()
    try:
        notes.append(message, message.delivery_tag)
    except Exception as error:
        refused = type(error).__name__
    else:
        raise SystemExit("a closed channel has noted a message")
    again = connection.channel()
    waiting = again._size(name)
    back = again.basic_get(name, no_ack=True) if waiting else None
    return {"refused": refused, "waiting": waiting, "same": bool(back) and back.headers["id"] == sent}


with app.pool.acquire(block=True, timeout=10) as connection:
    client = connection.default_channel.client
    try:
        seen = {"lost": {code: taken_for_lost(client, code) for code in ("READONLY", "NOREPLICAS", "UNBLOCKED")}}
        seen["message"] = lost_from_hand(connection)
    finally:
        connection.default_channel.client.delete(name, f"_kombu.binding.{name}")
print(json.dumps(seen))
