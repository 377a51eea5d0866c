"""Which schema revision the code wants and which one the database has."""

from functools import lru_cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def alembic_config() -> Config:
    """Alembic's configuration as installed with the package, wherever that is."""
    return Config(str(Path(__file__).with_name("alembic.ini")))


@lru_cache
def known() -> tuple[str, ...]:
    """The revisions of this release, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def head() -> str:
    return known()[0]


def current(connection: Connection) -> str | None:
    """The database's revision, or None when it has never been migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def position(connection: Connection) -> str:
    """ok: at this release's head; behind: an older revision; ahead: one that a newer release made."""
    found = current(connection)
    if found == head():
        return "ok"
    return "behind" if found is None or found in known() else "ahead"
