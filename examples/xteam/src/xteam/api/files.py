"""Uploads, workspaces, and the public numbers about them."""

import uuid
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from xteam.database import DatabaseSession
from xteam.files import save, upload_path, workspace_path
from xteam.models import Upload, User, Workspace
from xteam.names import FileName, Id, Name
from xteam.security import CurrentLogin
from xteam.stores import cached, forget

router = APIRouter()


class NewWorkspace(BaseModel):
    name: Name


@router.post("/uploads", status_code=201)
async def upload(
    request: Request, login: CurrentLogin, session: DatabaseSession, name: FileName = "unnamed"
) -> dict[str, Any]:
    """The body is the file: curl --data-binary @photo.jpg '.../uploads?name=photo.jpg'. At most max_upload_size_mb."""
    upload_id, user_id = uuid.uuid4().hex, login.user.id
    path = upload_path(user_id, upload_id)
    # However long it takes to arrive: it keeps no database connection from the others.
    await run_in_threadpool(session.close)
    size, digest = await save(request.stream(), path)
    session.add(Upload(id=upload_id, user_id=user_id, name=name, size=size, sha256=digest))
    try:
        await run_in_threadpool(session.commit)
    except Exception:
        path.unlink()  # a file nobody knows of would never be removed
        raise
    return {"id": upload_id, "size": size, "sha256": digest}


@router.get("/uploads/{upload_id}")
def download(upload_id: Id, login: CurrentLogin, session: DatabaseSession) -> FileResponse:
    found = session.get(Upload, upload_id)
    if found is None or found.user_id != login.user.id:
        raise HTTPException(404, "no such upload")
    path = upload_path(found.user_id, found.id)
    if not path.exists():  # another host took it: whoever balances asks that one, too
        raise HTTPException(404, "no such upload here")
    name = found.name
    session.close()  # however long it takes to be read
    # Always as an attachment: a page somebody uploaded must not run in our origin.
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=name,
        headers={"X-Content-Type-Options": "nosniff"},
    )


@router.post("/workspaces", status_code=201)
def create_workspace(wanted: NewWorkspace, login: CurrentLogin, session: DatabaseSession) -> dict[str, str]:
    workspace_id = uuid.uuid4().hex
    workspace_path(login.user.id, workspace_id).mkdir(parents=True)
    session.add(Workspace(id=workspace_id, user_id=login.user.id, name=wanted.name))
    session.commit()
    forget(f"workspaces:{login.user.id}", "statistics")
    return {"id": workspace_id, "name": wanted.name}


@router.get("/workspaces")
def workspaces(response: Response, login: CurrentLogin, session: DatabaseSession) -> list[dict[str, str]]:
    def read() -> list[dict[str, str]]:
        own = select(Workspace).where(Workspace.user_id == login.user.id).order_by(Workspace.created_at)
        return [{"id": row.id, "name": row.name} for row in session.scalars(own)]

    found, hit = cached(f"workspaces:{login.user.id}", read)
    response.headers["X-Cache"] = "hit" if hit else "miss"
    return found


@router.get("/statistics")
def statistics(response: Response, session: DatabaseSession) -> dict[str, int]:
    """How much XTeam is used. Needs no token; up to CACHE_SECONDS old."""

    def count() -> dict[str, int]:
        tables = {"users": User, "uploads": Upload, "workspaces": Workspace}
        return {name: session.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()}

    found, hit = cached("statistics", count)
    response.headers["X-Cache"] = "hit" if hit else "miss"
    return found
