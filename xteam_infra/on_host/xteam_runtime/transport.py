"""Kombu's Redis transport, for a Redis that hands over its lead.

A server that refuses writes because it leads no more, or not yet, is for redis-py an error of the command: Kombu asks
once more at once, is refused again by the same server, and the sender gets the error; a task whose result can't be
stored has failed. Here it is a lost connection: tried again with the pauses of the retry policies, elsewhere.

A worker of Kombu's takes a message off the queue, and then notes in a second step that it has it: if it dies between
them, the message is gone. Here both are one step of the server's, and the message comes back when its time is up.
Besides it is noted which worker took it. One that starts under the name of another knows that its predecessor has
ended, and puts back at once what that one had. Not what was delivered again before: it may be what ends the worker, and
comes back when its time is up.
"""

import os
import time
from queue import Empty
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis._parsers.base import BaseParser
from redis.connection import Connection as PlainConnection
from redis.connection import SSLConnection as PlainSSLConnection
from redis.exceptions import ConnectionError as Lost


class NotLeading(Lost):
    """The server did not do what was asked, and does not lead.

    No ResponseError besides: redis-py would go on reading from the connection that it has just given up.
    """


# READONLY: it follows. NOREPLICAS: nobody follows it yet (min-replicas-to-write). UNBLOCKED: it led until now.
BaseParser.EXCEPTION_CLASSES.update(dict.fromkeys(("READONLY", "NOREPLICAS", "UNBLOCKED"), NotLeading))

# The first message of KEYS[4] and so on, off its queue and into what is delivered and not acknowledged: KEYS[1] says
# since when (ARGV[1]), KEYS[2] what and where from, as Kombu writes it, KEYS[3] to which worker (ARGV[2]; nothing: to
# another program). What is no message is taken as it is.
TAKE = """
local function known(message)
  local its = cjson.decode(message).properties
  return {its.delivery_tag, cjson.encode(its.delivery_info.exchange), cjson.encode(its.delivery_info.routing_key)}
end
for number = 4, #KEYS do
  local message = redis.call('RPOP', KEYS[number])
  if message then
    local good, its = pcall(known, message)
    if good then
      redis.call('ZADD', KEYS[1], ARGV[1], its[1])
      redis.call('HSET', KEYS[2], its[1], '[' .. message .. ',' .. its[2] .. ',' .. its[3] .. ']')
      if ARGV[2] == '' then
        redis.call('HDEL', KEYS[3], its[1])
      else
        redis.call('HSET', KEYS[3], its[1], ARGV[2])
      end
    end
    return {KEYS[number], message}
  end
end
return false
"""
# A script can't wait. So workers wait for one of these, which whoever sends leaves beside each message; to lose one
# costs the second after which they look again without. Kept are as many as may be waiting at once, and not for long.
WAKE, WAKES, WAKE_SECONDS = "xteam.wake.", 32, 60
# {delivery tag: the worker that has the message}
WORKERS = "xteam.unacked.workers"


class _Worker:
    """The worker whose main process has this number. Its children know the name too, but don't act under it."""

    name, process, recovered = "", 0, False


def work_as(name: str) -> None:
    """This process is the worker of that name, and no other process is."""
    _Worker.name, _Worker.process, _Worker.recovered = name, os.getpid(), False


def _worker() -> str:
    return _Worker.name if _Worker.process == os.getpid() else ""


class QoS(redis.QoS):
    """Notes which messages the process has."""

    noted = ""
    """Delivery tag of the message that was noted when it was taken."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Only for this process, if the server has the note."""
        if delivery_tag == self.noted:
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        return super()._remove_from_indices(delivery_tag, pipe).hdel(WORKERS, delivery_tag)


class Connection(PlainConnection):
    """Refused when the server does not lead: the router needs a moment to notice who does.

    Asked of each connection, not of each channel: Kombu declares a queue with the channel it had before, whose pool
    connects again by itself.
    """

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health=check_health)
        # ROLE and INFO are for administrators.
        self.send_command("HELLO", check_health=False)
        if (role := _role(self.read_response())) != "master":
            raise NotLeading(f"the server is a {role}")


class SSLConnection(Connection, PlainSSLConnection):
    """The same by TLS."""


class Channel(redis.Channel):
    """Looks for messages until there are none, then waits to be woken."""

    QoS = QoS
    connection_class = Connection
    connection_class_ssl = SSLConnection
    _in_poll: Any
    _brpop_sent_at: Any
    _looks = True

    def __init__(self, *arguments: Any, **options: Any):
        self._never_acknowledged: set[str] = set()
        super().__init__(*arguments, **options)

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        # Neither is Celery's: such messages are found without being woken.
        if options.get("_publish_batch") or queue in self._expires:
            super()._put(queue, message, **options)
            return
        key = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            pipe.lpush(key, dumps(message)).lpush(WAKE + queue, "").ltrim(WAKE + queue, 0, WAKES - 1)
            pipe.expire(WAKE + queue, WAKE_SECONDS).execute()

    def basic_consume(self, queue: str, no_ack: bool, *arguments: Any, **options: Any) -> Any:
        if no_ack:
            self._never_acknowledged.add(queue)
        # Before this process takes its first message: all that is noted under its name was its predecessor's.
        if _worker() and not _Worker.recovered:
            self._recover(_worker())
            _Worker.recovered = True
        return super().basic_consume(queue, no_ack, *arguments, **options)

    def _recover(self, worker: str) -> None:
        """Put back what the worker of this name had when it ended."""
        with self.conn_or_acquire() as client:
            noted = {bytes_to_str(tag): bytes_to_str(name) for tag, name in client.hscan_iter(WORKERS)}
            for tag in (tag for tag, name in noted.items() if name == worker):
                message = client.hget(self.unacked_key, tag)
                if message is None or not loads(bytes_to_str(message))[0].get("headers", {}).get("redelivered"):
                    self.qos.restore_by_tag(tag, client)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        self._in_poll, self._brpop_sent_at = self.client.connection, time.monotonic()
        if self._looks:
            keys = [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]
            keys = [self.unacked_index_key, self.unacked_key, WORKERS, *keys]
            self._in_poll.send_command("EVAL", TAKE, len(keys), *keys, time.time(), _worker())
        else:
            self._in_poll.send_command("BRPOP", *(WAKE + queue for queue in queues), timeout or self.brpop_timeout)

    def _brpop_read(self, **options: Any) -> bool:
        connection, looked = self.client.connection, self._looks
        self._in_poll, self._looks = None, True
        try:
            said = self.client.parse_response(connection, "EVAL" if looked else "BRPOP", **options)
        except self.connection_errors:
            connection.disconnect()
            raise
        if not looked:
            raise Empty
        if not said:
            self._looks = False
            raise Empty
        key, message = map(bytes_to_str, said)
        self._deliver_from(key.rsplit(self.sep, 1)[0], loads(message))
        return True

    def _deliver_from(self, queue: str, message: Any) -> None:
        self._queue_cycle.rotate(queue)
        self.qos.noted = message["properties"]["delivery_tag"]
        self.connection._deliver(message, queue)
        if queue in self._never_acknowledged:
            self.qos.ack(self.qos.noted)

    def _connparams(self, *arguments: Any, **options: Any) -> Any:
        # Kombu's connections may remember a channel that was closed when the lead changed.
        if self.connection is None:
            raise Lost("this channel is closed")
        return super()._connparams(*arguments, **options)


class Transport(redis.Transport):
    """What redis:// and rediss:// mean in every process that makes the Celery application (loader.py)."""

    Channel = Channel
    # With these two Kombu goes on trying after a new connection; an error of a command stays one, without a second try.
    recoverable_connection_errors = redis.Transport.connection_errors
    recoverable_channel_errors = ()


def _role(said: Any) -> str:
    """What HELLO calls the server: a mapping, or with the older protocol a list."""
    pairs = said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=True))
    words = {_word(key): _word(value) for key, value in pairs.items()}
    return words["role"]


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
