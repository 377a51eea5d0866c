"""Passwords, tokens, and the question who is asking.

A token is a signed JWT with an id (jti) and an end (exp). Logging out puts the id on the blacklist until that end.
Each login also leaves a record in the sessions store, which the user sees and erasing an account uses.
"""

import hashlib
import hmac
import os
import time
import uuid
from dataclasses import dataclass
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from xteam.config import get_settings
from xteam.database import DatabaseSession
from xteam.log import request_id
from xteam.models import Audit, User
from xteam.stores import is_revoked, revoke, store

ALGORITHM = "HS256"
SCRYPT = {"n": 2**14, "r": 8, "p": 5}  # one of the minimums of OWASP's password storage cheat sheet; 16 MiB a login


def hash_password(password: str) -> str:
    salt = os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **SCRYPT).hex()}"


def verify_password(password: str, stored: str) -> bool:
    salt, _, expected = stored.partition("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **SCRYPT).hex()
    return hmac.compare_digest(found, expected)


# Checked when there is no such user, so that the time to answer does not tell which names exist.
NOBODY = hash_password(uuid.uuid4().hex)


@dataclass(frozen=True)
class Claims:
    user_id: int
    jti: str
    expires: int
    """Seconds since the epoch."""

    @property
    def seconds_left(self) -> int:
        return max(0, self.expires - int(time.time()))


@dataclass(frozen=True)
class Login:
    """An authenticated request: the user, as a row of this request's database session, and the token used."""

    user: User
    claims: Claims


def issue_token(user: User, address: str) -> tuple[str, int]:
    """A new token and its life in seconds; the login is recorded as a session."""
    settings = get_settings()
    now, life = int(time.time()), settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60
    jti = uuid.uuid4().hex
    claims = {"sub": str(user.id), "jti": jti, "iat": now, "exp": now + life}
    with store("sessions").pipeline() as pipeline:
        pipeline.hset(f"session:{jti}", mapping={"user": user.id, "address": address, "created": now, "last_seen": now})
        pipeline.expire(f"session:{jti}", life)
        pipeline.sadd(f"session:user:{user.id}", jti)
        pipeline.expire(f"session:user:{user.id}", life)
        pipeline.execute()
    return jwt.encode(claims, settings.SECRET_KEY.get_secret_value(), ALGORITHM), life


def read_token(token: str) -> Claims:
    """The claims of a good token. Raises HTTPException 401 when it is forged, expired or revoked."""
    key = get_settings().SECRET_KEY.get_secret_value()
    try:
        claims = jwt.decode(token, key, algorithms=[ALGORITHM], options={"require": ["sub", "jti", "exp"]})
        found = Claims(int(claims["sub"]), claims["jti"], claims["exp"])
    except (jwt.InvalidTokenError, ValueError):
        raise _unauthorized("invalid or expired token") from None
    if is_revoked(found.jti):
        raise _unauthorized("token was revoked")
    return found


def _unauthorized(reason: str) -> HTTPException:
    return HTTPException(401, reason, {"WWW-Authenticate": "Bearer"})


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def _current_login(bearer: Bearer, session: DatabaseSession) -> Login:
    if bearer is None:
        raise _unauthorized("a token is required")
    claims = read_token(bearer.credentials)
    user = session.get(User, claims.user_id)
    if user is None:
        raise _unauthorized("no such user")
    _touch(claims)
    return Login(user, claims)


def _touch(claims: Claims) -> None:
    name = f"session:{claims.jti}"
    with store("sessions").pipeline() as pipeline:
        pipeline.hset(name, mapping={"user": claims.user_id, "last_seen": int(time.time())})
        pipeline.expire(name, max(claims.seconds_left, 1))
        pipeline.execute()


CurrentLogin = Annotated[Login, Depends(_current_login)]


def _staff_login(login: CurrentLogin) -> Login:
    if not login.user.is_staff:
        raise HTTPException(403, "for staff only")
    return login


StaffLogin = Annotated[Login, Depends(_staff_login)]


def sessions_of(user_id: int) -> dict[str, dict[str, str]]:
    """The user's live sessions by token id."""
    names = store("sessions").smembers(f"session:user:{user_id}")
    found = {str(jti): dict(store("sessions").hgetall(f"session:{jti!s}")) for jti in names}
    return {jti: record for jti, record in found.items() if record}  # type: ignore[misc]  # decode_responses: str


def end_session(user_id: int, jti: str, seconds_left: int) -> None:
    revoke(jti, seconds_left)
    store("sessions").delete(f"session:{jti}")
    store("sessions").srem(f"session:user:{user_id}", jti)


def end_all_sessions(user_id: int) -> int:
    """Revoke every token of the user; how many there were."""
    life = get_settings().ACCESS_TOKEN_EXPIRE_MINUTES * 60
    ids = store("sessions").smembers(f"session:user:{user_id}")
    for jti in ids:
        end_session(user_id, str(jti), life)
    return len(ids)


def audit(session: Session, actor: object, action: str, subject: object) -> None:
    """Add an audit row to the session's transaction: it is kept if and only if the act is."""
    session.add(Audit(actor=str(actor), action=action, subject=str(subject), request_id=request_id.get()))
