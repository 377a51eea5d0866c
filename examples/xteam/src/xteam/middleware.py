"""What happens to every request before a route sees it, outermost first: see install()."""

import logging
import time

from fastapi import FastAPI
from redis import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from xteam import metrics
from xteam.config import Settings
from xteam.log import accept_request_id, access, request_id
from xteam.stores import store

# For probes and scrapers, which come by address instead of by name and more often than people. The edge hides them.
OPERATORS = {"/healthz", "/readyz", "/metrics"}
WINDOW = 60  # seconds, of the rate limit

log = logging.getLogger(__name__)


def install(app: FastAPI, settings: Settings) -> None:
    """Wrap the application. Starlette puts what is added last outermost."""
    if settings.rate_limit_enabled:
        app.add_middleware(RateLimit, per_minute=settings.rate_limit_requests_per_minute)
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.CORS_ALLOW_ORIGINS,
        allow_methods=settings.CORS_ALLOW_METHODS,
        allow_headers=settings.CORS_ALLOW_HEADERS,
        expose_headers=["X-Request-ID", "X-Cache", "Retry-After"],
    )
    app.add_middleware(KnownHosts, allowed_hosts=list(settings.ALLOWED_HOSTS))
    app.add_middleware(RequestContext)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.TRUSTED_PROXIES))


class RequestContext:
    """Gives the request its id, and tells log and metrics how it ended."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        name = accept_request_id(Headers(scope=scope).get("x-request-id"))
        request_id.set(name)
        started = time.perf_counter()
        ended = {"status": 500}

        async def observe(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                MutableHeaders(scope=message)["X-Request-ID"] = name
            if "status" in message or message["type"] == "websocket.close":
                ended["status"] = message.get("status") or message.get("code", 1000)
            await send(message)

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                ended["status"] = message.get("code") or 1005  # the client left, and said no more
            return message

        try:
            await self.app(scope, listen, observe)
        finally:
            _record(scope, ended["status"], time.perf_counter() - started)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(
        scope.get("route"), "path", "unmatched"
    )  # never the raw path: every guess would be a new time series
    method = scope.get("method", "WEBSOCKET")
    if scope["type"] == "websocket":
        metrics.WEBSOCKETS.labels(status).inc()
    else:
        metrics.REQUESTS.labels(method, route, status).observe(seconds)
    if route not in OPERATORS:
        client = (scope.get("client") or ("-",))[0]
        line = {
            "method": method,
            "path": scope["path"],
            "status": status,
            "ms": round(seconds * 1000, 1),
            "client": client,
        }
        access.info("request", extra={"data": line})


class KnownHosts:
    """TrustedHostMiddleware, except for operators."""

    def __init__(self, app: ASGIApp, allowed_hosts: list[str]):
        self.app = app
        self.checked = TrustedHostMiddleware(app, allowed_hosts, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app if scope.get("path") in OPERATORS else self.checked
        await app(scope, receive, send)


class BodyLimit:
    """413 for a body larger than `max_bytes`: at once if its size is announced, else when that much has come in."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self.max_bytes:
            return await _refuse(413, "the body is too large")(scope, receive, send)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(413, "the body is too large")
            return message

        await self.app(scope, counted, send)


class RateLimit:
    """429 after `per_minute` requests of one address within a minute of its first, counted in Redis for all instances.

    When the cache is away the limit is too: the edge keeps its own."""

    def __init__(self, app: ASGIApp, per_minute: int):
        self.app, self.per_minute = app, per_minute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPERATORS:
            client = (scope.get("client") or ("-",))[0]
            try:
                count, seconds_left = await run_in_threadpool(_count, client)
            except RedisError as error:
                log.warning("no rate limit: %s", type(error).__name__)
            else:
                if count > self.per_minute:
                    metrics.RATE_LIMITED.inc()
                    refusal = _refuse(429, "too many requests", {"Retry-After": str(max(seconds_left, 1))})
                    return await refusal(scope, receive, send)
        await self.app(scope, receive, send)


def _count(client: str) -> tuple[int, int]:
    """This client's requests in its current window, and the seconds until the window ends."""
    name = f"cache:rate:{client}"
    with store("cache").pipeline() as pipeline:
        pipeline.set(name, 0, ex=WINDOW, nx=True)
        pipeline.incr(name)
        pipeline.ttl(name)
        _, count, seconds_left = pipeline.execute()
    return count, seconds_left


def _refuse(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": reason, "request_id": request_id.get()}, status, headers)
