"""Uploads and workspaces; both go when their user goes"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _owned(*columns: sa.Column) -> list[sa.Column]:
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.BigInteger, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        *columns,
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    ]


def upgrade() -> None:
    op.create_table(
        "uploads",
        *_owned(sa.Column("size", sa.BigInteger, nullable=False), sa.Column("sha256", sa.Text, nullable=False)),
    )
    op.create_table("workspaces", *_owned())


def downgrade() -> None:
    op.drop_table("workspaces")
    op.drop_table("uploads")
