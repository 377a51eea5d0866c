"""PostgreSQL: one engine per process, made when first used (so that forked workers never share a connection)."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from xteam.config import get_settings
from xteam.log import request_id


@lru_cache
def engine() -> Engine:
    settings = get_settings()
    made = create_engine(
        settings.database_url(),
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_timeout=5,  # seconds; a request that can't get a connection by then is better refused
        pool_pre_ping=True,  # after a failover the old connections are dead
        pool_recycle=1800,
        connect_args={
            "prepare_threshold": None,  # PgBouncer in transaction mode: the next transaction may be on another server
            "connect_timeout": 5,
            "application_name": "xteam",
        },
    )
    event.listen(made, "before_cursor_execute", _name_the_request, retval=True)
    return made


def _name_the_request(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> Any:
    """Let the database's logs be searched by request id as well. First: pg_stat_activity cuts off long statements."""
    return f"/* request_id={request_id.get()} */ {statement}", parameters


def _session() -> Iterator[Session]:
    with Session(engine()) as session:
        yield session


DatabaseSession = Annotated[Session, Depends(_session)]
