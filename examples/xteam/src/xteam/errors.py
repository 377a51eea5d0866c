"""What callers are told when something fails: what they can do about it and the request id, never how we are built."""

import sentry_sdk
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError as BrokerError
from redis import RedisError
from sqlalchemy.exc import OperationalError, TimeoutError

from xteam.config import Settings
from xteam.log import request_id


def _answer(status: int, detail: object, **headers: str) -> JSONResponse:
    name = request_id.get()
    return JSONResponse({"detail": detail, "request_id": name}, status, {"X-Request-ID": name, **headers})


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return _answer(500, "internal error")


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    sentry_sdk.capture_exception(error)
    return _answer(503, "a service we depend on is not available; try again", **{"Retry-After": "5"})


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # What stands in the address is a bad request; a body that is no such object can't be processed.
    status = 400 if all(problem["loc"][0] in ("path", "query") for problem in error.errors()) else 422
    # Without the values: one of them may be a password.
    return _answer(status, [{"where": problem["loc"], "problem": problem["msg"]} for problem in error.errors()])


def install(app: FastAPI) -> None:
    app.add_exception_handler(Exception, _unexpected)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in (OperationalError, TimeoutError, RedisError, BrokerError):
        app.add_exception_handler(kind, _unavailable)


def report_to_sentry(settings: Settings) -> None:
    """Send errors to Sentry, when there is one, with release, environment and request id."""
    if not settings.SENTRY_DSN:
        return
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN.get_secret_value(),
        release=settings.RELEASE,
        environment=settings.ENVIRONMENT,
        # Both hold the caller's token or what he sent: a tracker is no place for them.
        include_local_variables=False,
        max_request_body_size="never",
        before_send=lambda event, _hint: event | {"tags": {**event.get("tags", {}), "request_id": request_id.get()}},
    )
