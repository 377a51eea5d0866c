"""What a user may know about himself, and how to be forgotten."""

from typing import Any

from fastapi import APIRouter

from xteam import privacy
from xteam.database import DatabaseSession
from xteam.security import CurrentLogin, audit

router = APIRouter(prefix="/me")


@router.get("")
def me(login: CurrentLogin) -> dict[str, Any]:
    return {"id": login.user.id, "name": login.user.name, "is_staff": login.user.is_staff}


@router.get("/export")
def export(login: CurrentLogin, session: DatabaseSession) -> dict[str, Any]:
    copy = privacy.export(session, login.user)
    audit(session, login.user.id, "export", login.user.id)
    session.commit()
    return copy


@router.delete("")
def erase(login: CurrentLogin, session: DatabaseSession) -> dict[str, Any]:
    erased = privacy.erase(session, login.user, actor=login.user.id)
    return {"erased": erased, "gone_from_backups": privacy.gone_from_backups()}
