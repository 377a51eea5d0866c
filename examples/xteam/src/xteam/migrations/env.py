"""How Alembic reaches the database: by POSTGRES_* of the environment; each revision is a transaction."""

import time

from alembic import context
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import NullPool, create_engine, text

from xteam.config import DatabaseSettings
from xteam.models import Base

# How long a revision may wait for a table that a long query holds. While it waits, every later query on that table
# queues behind it, so a migration had better fail and be run again.
TABLE_LOCK_TIMEOUT = "5s"


class Progress:
    """Says how long each revision took: operators plan with it, and a rehearsal shows it beforehand."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, *, step: MigrationInfo, **_: object) -> None:
        done, now = "applied" if step.is_upgrade else "taken back", time.monotonic()
        print(f"revision {step.up_revision_id} {done} in {now - self.last:.1f} s", flush=True)
        self.last = now


def run() -> None:
    engine = create_engine(DatabaseSettings().database_url(), poolclass=NullPool)  # type: ignore[call-arg]
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{TABLE_LOCK_TIMEOUT}'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            on_version_apply=Progress(),
        )
        with context.begin_transaction():
            context.run_migrations()


run()
