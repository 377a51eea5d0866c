"""Redis, one client per role. The roles are separate instances, because they must be lost or kept separately:

cache      may be evicted at any time            keys cache:*
sessions   who is logged in from where           keys session:*
blacklist  tokens revoked before they expire     keys blacklist:*
queue      Celery's; here only asked whether it is there
"""

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from redis import Redis, RedisError
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from xteam import metrics
from xteam.config import get_settings

ROLES = {
    "cache": "REDIS_CACHE_URL",
    "sessions": "REDIS_SESSIONS_URL",
    "blacklist": "REDIS_BLACKLIST_URL",
    "queue": "CELERY_BROKER_URL",
}
CACHE_SECONDS = 30
TASK_SECONDS = 24 * 3600

# Wrong passwords within the time; then even the right one is refused until it is over.
WRONG_PASSWORDS_OF_ACCOUNT, WRONG_PASSWORDS_OF_ADDRESS, WRONG_PASSWORD_SECONDS = 10, 50, 900


@lru_cache
def store(role: str) -> Redis:
    """The client of one role: cache, sessions, blacklist or queue."""
    url = getattr(get_settings(), ROLES[role]).get_secret_value()
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=2,  # seconds; a busy host needs one for a TLS handshake
        socket_timeout=3,
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 1),
    )


def cached(key: str, make: Callable[[], Any]) -> tuple[Any, bool]:
    """The value under `key`, made and kept for CACHE_SECONDS when it isn't there; and whether it was there.

    Without the cache the answer is slower, not wrong."""
    name = f"cache:{key}"
    try:
        if (found := store("cache").get(name)) is not None:
            metrics.CACHE.labels("hit").inc()
            return json.loads(found), True
        value = make()
        store("cache").set(name, json.dumps(value, default=str), ex=CACHE_SECONDS)
    except RedisError:
        metrics.CACHE.labels("error").inc()
        return make(), False
    metrics.CACHE.labels("miss").inc()
    return value, False


def forget(*keys: str) -> None:
    """Drop cached values that are no longer true. Without the cache there is nothing to drop."""
    try:
        store("cache").delete(*(f"cache:{key}" for key in keys))
    except RedisError:
        metrics.CACHE.labels("error").inc()


def remember_task(task_id: str, user_id: int) -> None:
    """Whose task this is, for as long as its result is kept after the longest wait in a queue."""
    store("sessions").set(f"session:task:{task_id}", user_id, ex=TASK_SECONDS)


def owner_of_task(task_id: str) -> int | None:
    """The user who asked for the task; None when nobody did, or too long ago."""
    found = store("sessions").get(f"session:task:{task_id}")
    return int(found) if found is not None else None  # type: ignore[arg-type]  # decode_responses: str


def count_login(account: str, address: str) -> int:
    """Count an attempt to log in, for the account over all addresses and for the address over all accounts.

    Returns the seconds for which nobody may try: 0 while there were not too many. Counted before the password is looked
    at: else many attempts at once would all be let in."""
    with store("sessions").pipeline() as pipeline:
        for name in _attempts(account, address):
            pipeline.set(name, 0, ex=WRONG_PASSWORD_SECONDS, nx=True)
            pipeline.incr(name)
            pipeline.ttl(name)
        found = pipeline.execute()
    limits = (WRONG_PASSWORDS_OF_ACCOUNT, WRONG_PASSWORDS_OF_ADDRESS)
    waits = [max(ttl, 1) for count, ttl, limit in zip(found[1::3], found[2::3], limits, strict=True) if count > limit]
    return max(waits, default=0)


def login_succeeded(account: str, address: str) -> None:
    """It was no guess: the account is counted anew, and the address one less."""
    of_account, of_address = _attempts(account, address)
    with store("sessions").pipeline() as pipeline:
        pipeline.delete(of_account)
        pipeline.decr(of_address)
        pipeline.execute()


def _attempts(account: str, address: str) -> tuple[str, str]:
    # Not the name itself: people type passwords there.
    digest = hashlib.sha256(account.encode()).hexdigest()
    return f"session:attempts:account:{digest}", f"session:attempts:address:{address}"


def revoke(jti: str, seconds: int) -> None:
    """Refuse the token with this id from now on. `seconds`: what is left of its life."""
    store("blacklist").set(f"blacklist:{jti}", "1", ex=max(seconds, 1))
    metrics.BLACKLIST.labels("add", "ok").inc()


def is_revoked(jti: str) -> bool:
    """Raises RedisError when the blacklist can't be asked: a token that can't be checked isn't good."""
    revoked = bool(store("blacklist").exists(f"blacklist:{jti}"))
    metrics.BLACKLIST.labels("check", "revoked" if revoked else "valid").inc()
    return revoked
