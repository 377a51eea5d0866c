"""Celery's Redis result backend, for a Redis that hands over its lead.

Celery stores a result again when the connection is lost, but not what it notes for a chord. One lost connection while a
part ends or the parts are joined, and the chord has failed though every part succeeded. So workers send each command
again, with growing pauses, until the lead has changed. Other processes have somebody waiting, and don't.
"""

from typing import Any

from celery.backends import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

# Seconds. Together half a minute: a failover takes less than half of it.
FIRST_PAUSE, LONGEST_PAUSE, TRIES = 0.1, 2.0, 18
# Whoever ends a chord's last part claims the right to send its callback. If the answer was lost and the script is sent
# again, the claim is there already, and is the sender's own.
CLAIM = "if redis.call('SET', ckey, claim_token, 'NX', 'EX', claim_expires) then"
OWN_CLAIM = CLAIM.removesuffix(" then") + " or redis.call('GET', ckey) == claim_token then"


class _Process:
    works = False


def work() -> None:
    """This process, or those it will fork, run tasks."""
    _Process.works = True


class Backend(redis.RedisBackend):  # type: ignore[misc] # Celery has no types
    """What redis:// and rediss:// mean as result_backend (loader.py)."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        if _Process.works:
            retry = Retry(ExponentialBackoff(cap=LONGEST_PAUSE, base=FIRST_PAUSE), TRIES)
            self.connparams |= {"retry": retry, "retry_on_error": list(self.connection_errors)}

    @property
    def _chord_part_return_script(self) -> Any:
        return self.client.register_script(redis.CHORD_PART_RETURN_LUA.replace(CLAIM, OWN_CLAIM))
