"""Kombu's Redis transport, for a Redis that hands over its lead: a replica counts as a lost connection.

Kombu takes the refusal of a write ("READONLY") for an error of the command: it asks once more at once, is refused again
by the same server, and the sender gets the error. As a lost connection it is tried again with the pauses of
`task_publish_retry_policy`, and only on a server that leads.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ReadOnlyError


class Channel(redis.Channel):
    """Refuses to be opened on a replica: the router needs a moment to notice who leads."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        try:
            role = _role(self.client)
        except Exception:
            self.close()
            raise
        if role != "master":
            self.close()
            raise Lost(f"the server is a {role}")


class Transport(redis.Transport):
    """`broker_transport` of every process that makes the Celery application."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, ReadOnlyError)
    # With these two Kombu goes on trying after a new connection; an error of a command stays one, without a second try.
    recoverable_connection_errors = connection_errors
    recoverable_channel_errors = ()


def _role(client: Any) -> str:
    # HELLO says it to every user; ROLE and INFO are for administrators.
    said = client.execute_command("HELLO")
    pairs = said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=True))
    words = {_word(key): _word(value) for key, value in pairs.items()}
    return words["role"]


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
