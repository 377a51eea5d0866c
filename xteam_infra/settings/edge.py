"""Settings of the edge layer: where the world comes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from xteam_infra.errors import CertificateError, Problem
from xteam_infra.pki.supplied import read_supplied
from xteam_infra.settings.all import HOST_NAME
from xteam_infra.settings.model import LayerSettings

METRICS_PATH = "/metrics"
# A multipart form puts headers and boundaries around a file; the application counts the file alone.
FORM_BYTES = 64 * 1024

# What the edge itself answers, in the shape of the application's errors.
REASONS = {
    400: "bad request",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    408: "the request took too long to arrive",
    413: "the body is too large",
    421: "unknown host",
    500: "internal error",
    502: "the application gave no valid answer; try again",
    503: "the application is not available; try again",
    504: "the application took too long; try again",
}


class EdgeSettings(LayerSettings):
    """group_data/edge.py"""

    layer: ClassVar[str] = "edge"

    ssl_certfile: str | None = None
    """Public certificate with its chain, leaf first: a PEM file on the controller, relative to the project.
    None: the edge shows a certificate of the internal CA, which browsers don't know."""
    ssl_keyfile: str | None = None
    """Its private key, unencrypted PEM, on the controller; readable by nobody but its owner."""
    edge_hsts_seconds: int = Field(63_072_000, ge=0)
    """How long browsers refuse plain HTTP for this name after one visit; two years is what preload lists ask for."""
    edge_max_connections: int = Field(2000, ge=100, le=100_000)
    """Client connections an edge host holds; about 0.1 MiB each. More wait in the kernel's queue."""
    edge_tunnel_timeout_seconds: int = Field(3600, ge=60, le=86_400)
    """A WebSocket without traffic for this long is closed. The application's own idle limit should come first."""
    edge_server_timeout_seconds: int = Field(60, ge=5, le=3600)
    """A request the application has not begun to answer in this time gets 504."""

    def hosts(self, estate) -> tuple[str, ...]:
        """Every public name that is served; a request for any other gets 421."""
        return (estate.all.domain, *(name for name in estate.app.ALLOWED_HOSTS if name != estate.all.domain))

    @property
    def supplied(self) -> bool:
        """Whether the certificate comes from files instead of the internal CA."""
        return bool(self.ssl_certfile and self.ssl_keyfile)

    def problems(self, estate) -> Iterator[Problem]:
        if not estate.members("edge"):
            return
        if patterns := [name for name in self.hosts(estate) if not HOST_NAME.match(name)]:
            allowed = "whole lower-case host names: the edge passes no others"
            yield Problem("group_data/app.py", "ALLOWED_HOSTS", ", ".join(patterns), allowed)
        if bool(self.ssl_certfile) != bool(self.ssl_keyfile):
            missing = "ssl_keyfile" if self.ssl_certfile else "ssl_certfile"
            yield self.problem(missing, None, "both ssl_certfile and ssl_keyfile, or neither")
        elif self.ssl_certfile and self.ssl_keyfile:
            try:
                read_supplied(Path(self.ssl_certfile), Path(self.ssl_keyfile), self.hosts(estate))
            except CertificateError as error:
                yield self.problem("ssl_certfile", self.ssl_certfile, str(error))


def rate_limit(estate) -> int:
    """Requests a client may make in a minute; 0: any number."""
    return estate.app.rate_limit_requests_per_minute if estate.app.rate_limit_enabled else 0


def body_limit(estate) -> int:
    """Bytes of the largest request body: a file at its limit, with the form around it."""
    return estate.app.max_upload_size_mb * 1024 * 1024 + FORM_BYTES


def operators(estate) -> tuple[str, ...]:
    """Paths for machines of the estate, not for the world."""
    return (estate.app.app_ready_path, METRICS_PATH)
