"""How Alembic reaches the database: by POSTGRES_* of the environment; each revision is a transaction."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

from xteam.config import DatabaseSettings
from xteam.models import Base

# How long a revision may wait for a table that a long query holds. While it waits, every later query on that table
# queues behind it, so a migration had better fail and be run again.
TABLE_LOCK_TIMEOUT = "5s"


def run() -> None:
    engine = create_engine(DatabaseSettings().database_url(), poolclass=NullPool)  # type: ignore[call-arg]
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{TABLE_LOCK_TIMEOUT}'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
