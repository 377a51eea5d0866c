"""What the operators' endpoints look at: is each dependency there, how full is the blacklist, does Beat tick?"""

import logging
from collections.abc import Callable

from redis import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from xteam import revisions
from xteam.database import engine
from xteam.models import Heartbeat
from xteam.stores import ROLES, store

log = logging.getLogger(__name__)


def _database() -> str:
    with engine().connect() as connection:
        connection.execute(select(1))
    return "ok"


def _migrations() -> str:
    """Behind is not ready. Ahead is: the next release has migrated, and this one must serve until it is replaced."""
    with engine().connect() as connection:
        return revisions.position(connection)


def _redis(role: str) -> Callable[[], str]:
    def ping() -> str:
        store(role).ping()
        return "ok"

    return ping


def readiness() -> tuple[bool, dict[str, str]]:
    """Whether this instance can serve, and the state of each dependency: ok, ahead (migrations), behind or down."""
    checks = {"database": _database, "migrations": _migrations}
    checks |= {f"redis-{role}": _redis(role) for role in ROLES}
    states = {}
    for name, check in checks.items():
        try:
            states[name] = check()
        except (SQLAlchemyError, RedisError, OSError) as error:
            log.warning("%s is down: %s", name, type(error).__name__)
            states[name] = "down"
    return all(state in ("ok", "ahead") for state in states.values()), states


def blacklist_size() -> int | None:
    try:
        return int(store("blacklist").dbsize())
    except RedisError:
        return None


def last_heartbeat() -> float | None:
    """Seconds since the epoch, by the database's clock."""
    try:
        with engine().connect() as connection:
            beat = connection.execute(select(func.max(Heartbeat.at))).scalar()
    except SQLAlchemyError:
        return None
    return beat.timestamp() if beat else None
