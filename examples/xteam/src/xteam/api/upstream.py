"""An answer that needs somebody else's service."""

from typing import Any

from fastapi import APIRouter, HTTPException

from xteam.config import get_settings
from xteam.security import CurrentLogin
from xteam.upstream import UpstreamError, call

router = APIRouter()


@router.get("/upstream")
def upstream(_login: CurrentLogin) -> dict[str, Any]:
    settings = get_settings()
    if not settings.UPSTREAM_URL:
        raise HTTPException(404, "UPSTREAM_URL is not set")
    try:
        response, attempts = call(settings)
    except UpstreamError as error:
        raise HTTPException(504, {"reason": str(error), "attempts": error.attempts}) from error
    return {"status": response.status_code, "attempts": attempts, "body": response.text[:1000]}
