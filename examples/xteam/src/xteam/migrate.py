"""Bring the database to this release's schema: python -m xteam.migrate [upgrade [REVISION] | check | current | verify]

verify looks at the revisions alone, without a database: one head, a way back from each, nothing destroyed unawares.

Needs POSTGRES_* of a role that owns the tables, straight to PostgreSQL: a session lock does not survive PgBouncer's
transaction mode. Any number of runs may start at once; one works, the others wait for it and find nothing to do.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from xteam import revisions
from xteam.config import DatabaseSettings

LOCK = 0x787465616D  # "xteam" in hexadecimal: any number will do, as long as every run uses the same
PROGRESS_SECONDS = 5
GIVE_UP_SECONDS = 600


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold the advisory lock on a connection of its own, outside of any transaction."""
    with _engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = '{PROGRESS_SECONDS}s'"))
        started = time.monotonic()
        while not _locked(connection):
            waited = time.monotonic() - started
            if waited > GIVE_UP_SECONDS:
                raise TimeoutError(f"another migration has held the lock for {waited:.0f} s: see pg_stat_activity")
            print(f"waiting for another migration to finish ({waited:.0f} s)", flush=True)
        yield  # the lock goes with the connection, also if this process is killed


def _locked(connection: Connection) -> bool:
    try:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":  # lock_not_available: lock_timeout has passed
            return False
        raise
    return True


def _engine() -> Engine:
    settings = DatabaseSettings()  # type: ignore[call-arg]  # the fields come from the environment
    return create_engine(settings.database_url(), poolclass=NullPool, connect_args={"connect_timeout": 10})


def _current() -> tuple[str | None, str]:
    with _engine().connect() as connection:
        return revisions.current(connection), revisions.position(connection)


def upgrade(revision: str = "head") -> None:
    """Raises SQLAlchemyError when the database is away or refuses, TimeoutError when another run never ends."""
    with _only_one():
        before = _current()[0]
        command.upgrade(revisions.alembic_config(), revision)
        after = _current()[0]
    done = "nothing to do" if before == after else f"upgraded from {before or 'an empty database'}"
    print(f"revision {after}: {done}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m xteam.migrate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", nargs="?", default="upgrade", choices=["upgrade", "check", "current", "verify"])
    parser.add_argument("revision", nargs="?", default="head", help="for upgrade: where to stop (default: head)")
    arguments = parser.parse_args()
    if arguments.action == "verify":
        for problem in (problems := revisions.problems()):
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    try:
        if arguments.action == "upgrade":
            upgrade(arguments.revision)
            return 0
        found, position = _current()
    except ValidationError as error:
        missing = ", ".join(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
        print(f"missing or wrong in the environment: {missing}", file=sys.stderr)
        return 2
    except (SQLAlchemyError, TimeoutError, CommandError) as error:
        print(f"migration failed: {error}", file=sys.stderr)
        return 3
    print(f"revision {found or 'none'}, this release's head is {revisions.head()}: {position}")
    return {"ok": 0, "behind": 1, "ahead": 4}[position] if arguments.action == "check" else 0


if __name__ == "__main__":
    sys.exit(main())
