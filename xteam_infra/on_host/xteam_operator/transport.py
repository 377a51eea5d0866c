"""Kombu's Redis transport, for a Redis that hands over its lead.

A server that refuses writes because it leads no more, or not yet, is for redis-py an error of the command: Kombu asks
once more at once, is refused again by the same server, and the sender gets the error; a task whose result can't be
stored has failed. Here it is a lost connection: tried again with the pauses of the retry policies, elsewhere.

A worker takes a message off the queue first, and then notes that it has it. When the note fails, Kombu drops the
message; here it goes back into its queue with the next connection.
"""

import logging
from collections import deque
from typing import Any

from kombu.transport import redis
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

log = logging.getLogger(__name__)
# Messages that this process has taken and could not note: (tag, payload, exchange, routing key).
_in_hand: deque[tuple[str, Any, str, str]] = deque()


class QoS(redis.QoS):
    """Notes which messages the process has."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """A message that can't be noted is kept in hand for the next connection."""
        try:
            super().append(message, delivery_tag)
        except self.channel.connection_errors:
            where = message.delivery_info
            _in_hand.append((delivery_tag, message._raw, where["exchange"], where["routing_key"]))
            raise

    def put_back(self) -> None:
        """What is in hand, to where it was taken from. The note may have been made and its answer lost."""
        while _in_hand:
            tag, payload, exchange, routing_key = _in_hand[0]
            with self.pipe_or_acquire() as pipe:
                self._remove_from_indices(tag, pipe)
                self.channel._do_restore_message(payload, exchange, routing_key, pipe, leftmost=False)
                pipe.execute()
            _in_hand.popleft()
            log.warning("task %s is back in its queue: it could not be noted as taken", payload["headers"].get("id"))


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
    """Puts back what was in hand when the last one was lost."""

    QoS = QoS
    connection_class = Connection
    connection_class_ssl = SSLConnection

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        try:
            self.qos.put_back()
        except Exception:
            self.close()
            raise

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
