"""Logging in and out. Users are made by an operator: python -m xteam.manage create-user NAME."""

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import select

from xteam.database import DatabaseSession
from xteam.models import User
from xteam.names import Name, Password
from xteam.security import NOBODY, CurrentLogin, audit, end_session, issue_token, verify_password
from xteam.stores import count_login, login_succeeded

router = APIRouter(prefix="/auth")


class Credentials(BaseModel):
    name: Name
    password: Password


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"  # noqa: S105 - RFC 6750's word, not a secret
    expires_in: int
    """Seconds."""


@router.post("/login")
def login(credentials: Credentials, request: Request, session: DatabaseSession) -> Token:
    address = request.client.host if request.client else "-"
    if seconds := count_login(credentials.name, address):
        raise HTTPException(429, "too many wrong passwords; try later", {"Retry-After": str(seconds)})
    user = session.scalar(select(User).where(User.name == credentials.name))
    good = verify_password(credentials.password, user.password_hash if user else NOBODY)
    if user is None or not good:
        audit(session, "-", "login-refused", user.id if user else "-")
        session.commit()
        raise HTTPException(401, "wrong name or password")
    token, life = issue_token(user, address)
    login_succeeded(credentials.name, address)
    audit(session, user.id, "login", user.id)
    session.commit()
    return Token(access_token=token, expires_in=life)


@router.post("/logout", status_code=204)
def logout(login: CurrentLogin, session: DatabaseSession) -> None:
    end_session(login.user.id, login.claims.jti, login.claims.seconds_left)
    audit(session, login.user.id, "logout", login.user.id)
    session.commit()
