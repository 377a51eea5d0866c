"""Staff, who may look at more; and the audit found by subject

A column with a constant default is added without rewriting the table, and the release before this one does not mind it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("is_staff", sa.Boolean, nullable=False, server_default="false"))
    op.create_index("audit_subject_at", "audit", ["subject", "at"])


def downgrade() -> None:
    op.drop_index("audit_subject_at", "audit")
    op.drop_column("users", "is_staff")
