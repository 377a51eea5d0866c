"""Uploads and workspaces on disk: <directory>/<user id>/<id>. Names from users never become paths."""

import hashlib
import logging
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from xteam.config import get_settings
from xteam.models import Audit, Workspace

log = logging.getLogger(__name__)
DAY = 86400


def upload_path(user_id: int, upload_id: str) -> Path:
    return get_settings().UPLOAD_DIR / str(user_id) / upload_id


def workspace_path(user_id: int, workspace_id: str) -> Path:
    return get_settings().WORKSPACE_DIR / str(user_id) / workspace_id


async def save(chunks: AsyncIterator[bytes], path: Path) -> tuple[int, str]:
    """Write the chunks to `path`: all of them, or no file at all. Returns size in bytes and SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    size, digest = 0, hashlib.sha256()
    try:
        async with await anyio.open_file(partial, "wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                digest.update(chunk)
                await file.write(chunk)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return size, digest.hexdigest()


def remove_user_files(user_id: int) -> int:
    """Remove everything the user has on this host; how many files and directories that were."""
    settings = get_settings()
    removed = 0
    for top in (settings.UPLOAD_DIR / str(user_id), settings.WORKSPACE_DIR / str(user_id)):
        if top.is_dir():
            removed += sum(1 for _ in top.rglob("*"))
            with suppress(FileNotFoundError):  # the clean-up and an erasure may meet
                shutil.rmtree(top)
    return removed


def _last_change(directory: Path) -> float:
    return max(path.lstat().st_mtime for path in (directory, *directory.rglob("*")))


def remove_old_workspaces(session: Session) -> int:
    """Remove workspaces in which nothing changed for WORKSPACE_MAX_AGE_DAYS; how many."""
    settings = get_settings()
    oldest = time.time() - settings.WORKSPACE_MAX_AGE_DAYS * DAY
    removed = 0
    for directory in sorted(settings.WORKSPACE_DIR.glob("*/*")):
        with suppress(FileNotFoundError):  # its user may be erased meanwhile
            if directory.is_dir() and _last_change(directory) < oldest:
                shutil.rmtree(directory)
                session.execute(delete(Workspace).where(Workspace.id == directory.name))
                session.commit()
                log.info("removed workspace %s", directory.name)
                removed += 1
    return removed


def remove_erased_users(session: Session) -> int:
    """Remove what erased users still have on this host, after another host has erased them; how many files.

    Goes by the audit of erasures, not by missing users: pointed at the wrong database it must not delete anything."""
    settings = get_settings()
    present = {path.name for top in (settings.UPLOAD_DIR, settings.WORKSPACE_DIR) for path in top.glob("*")}
    erased = session.scalars(select(Audit.subject).where(Audit.action == "erase", Audit.subject.in_(present)))
    return sum(remove_user_files(int(subject)) for subject in erased)
