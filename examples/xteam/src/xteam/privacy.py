"""A user's right to a copy and to be forgotten. Used by the API and by `python -m xteam.manage`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from xteam.config import get_settings
from xteam.files import remove_user_files
from xteam.models import Audit, Upload, User, Workspace
from xteam.security import audit, end_all_sessions, sessions_of
from xteam.stores import forget


def export(session: Session, user: User) -> dict[str, Any]:
    """Everything that is kept about the user, ready for JSON. The contents of uploads are fetched by their address."""
    uploads = session.scalars(select(Upload).where(Upload.user_id == user.id))
    workspaces = session.scalars(select(Workspace).where(Workspace.user_id == user.id))
    events = session.scalars(select(Audit).where(Audit.subject == str(user.id)).order_by(Audit.id))
    return {
        "user": _columns(user, "id", "name", "is_staff", "created_at"),
        "uploads": [_columns(row, "id", "name", "size", "sha256", "created_at") for row in uploads],
        "workspaces": [_columns(row, "id", "name", "created_at") for row in workspaces],
        "sessions": list(sessions_of(user.id).values()),
        "audit": [_columns(row, "at", "action", "request_id") for row in events],
        "backups_keep_days": get_settings().BACKUP_RETENTION_DAYS,
    }


def gone_from_backups() -> str:
    """The day from which no backup holds any more what is erased today."""
    return (datetime.now(UTC) + timedelta(days=get_settings().BACKUP_RETENTION_DAYS)).date().isoformat()


def _columns(row: object, *names: str) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def erase(session: Session, user: User, actor: object) -> dict[str, int]:
    """Forget the user: tokens, rows, files, cached answers; what stays is an audit row with the bare id.

    Tokens go first, so that nothing is added meanwhile. Run again after a failure it finishes the work."""
    user_id = user.id
    tokens = end_all_sessions(user_id)
    session.delete(user)  # uploads and workspaces go with it: ON DELETE CASCADE
    audit(session, actor, "erase", user_id)
    session.commit()
    files = remove_user_files(user_id)
    forget(f"workspaces:{user_id}", "statistics")
    return {"tokens": tokens, "files": files}
