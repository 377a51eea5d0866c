"""For probes, Prometheus and staff."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from xteam.config import get_settings
from xteam.metrics import exposition
from xteam.operations import readiness
from xteam.security import StaffLogin

router = APIRouter()


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def health() -> dict[str, str]:
    """The process answers. Says nothing about dependencies: a restart would not mend those."""
    return {"status": "ok", "release": get_settings().RELEASE}


@router.api_route("/readyz", methods=["GET", "HEAD"])
def ready() -> JSONResponse:
    """This instance can serve: every dependency answers and the schema is not older than the code."""
    ok, checks = readiness()
    return JSONResponse({"ready": ok, "checks": checks}, 200 if ok else 503)


@router.get("/metrics")
def metrics() -> Response:
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)


@router.get("/debug/error")
def deliberate_error(_staff: StaffLogin) -> None:
    """Fails on purpose: shows what callers see of an error, and that it reaches Sentry."""
    raise RuntimeError("deliberate error, asked for by staff")
