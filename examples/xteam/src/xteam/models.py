"""The tables. Changing them needs a new revision in migrations/versions."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True), int: BigInteger}  # noqa: RUF012 - SQLAlchemy's


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    # No default of ours: the application's role may not write it, and leaves it to the database.
    is_staff: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Upload(Base):
    """A file: its bytes are at UPLOAD_DIR/<user_id>/<id>."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Workspace(Base):
    """A directory, WORKSPACE_DIR/<user_id>/<id>, removed when untouched for WORKSPACE_MAX_AGE_DAYS."""

    __tablename__ = "workspaces"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Audit(Base):
    """Who did what. `actor` and `subject` are user ids, never names, so that an erased user stays erased."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_subject_at", "subject", "at"),)
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    request_id: Mapped[str]


class Heartbeat(Base):
    """One row for each tick of the Beat schedule: a gap means that Beat or the workers stood still."""

    __tablename__ = "heartbeats"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    host: Mapped[str]
