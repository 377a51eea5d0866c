"""Settings of the edge layer: where the world comes in."""

import re
from ipaddress import ip_interface, ip_network
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from xteam_infra.settings.model import LayerSettings

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
    None, and no edge_acme_directory: the edge shows a certificate of the internal CA, which browsers don't know."""
    ssl_keyfile: str | None = None
    """Its private key, unencrypted PEM, on the controller; readable by nobody but its owner."""
    edge_acme_directory: str | None = None
    """Each edge gets a certificate from this ACME server (RFC 8555), and renews it: the address of its directory, such
    as "https://acme-v02.api.letsencrypt.org/directory". It asks every public name on port 80, which must lead to the
    edges."""
    edge_acme_email: str | None = None
    """Where the authority writes when something is wrong with a certificate. Asking for one agrees to its terms."""
    edge_acme_ca: str | None = None
    """PEM file on the controller: who signed the certificate of an ACME server of your own. None: the system's."""
    edge_hsts_seconds: int = Field(63_072_000, ge=0)
    """How long browsers refuse plain HTTP for this name after one visit; two years is what preload lists ask for."""
    edge_max_connections: int = Field(4000, ge=250, le=100_000)
    """HTTPS connections an edge host holds; about 0.1 MiB each. More wait in the kernel's queue."""
    edge_connections_per_source: int = Field(64, ge=4, le=20_000)
    """Connections one address (IPv6: one /64) may have open with an edge; more are refused before TLS. So that fifty
    sources together leave a fifth of edge_max_connections to the others, it is at most 1.6 % of it."""
    edge_connection_rate_per_source: int = Field(300, ge=10, le=100_000)
    """Connections one source may open within 10 seconds. Each costs a TLS handshake."""
    edge_requests_per_source: int = Field(64, ge=4, le=20_000)
    """Requests of one source that may be under way at an edge, WebSockets among them; more get 429. Bounded as
    edge_connections_per_source is."""
    edge_trusted_networks: tuple[str, ...] = ()
    """Networks (CIDR) to which these three do not apply: a CDN or load balancer in front of the edges, an office with
    many people behind one address. Requests in a minute are counted all the same."""
    edge_handshake_timeout_seconds: int = Field(5, ge=1, le=60)
    """A TLS handshake that takes longer is broken off: a browser needs two round trips."""
    edge_header_timeout_seconds: int = Field(10, ge=1, le=60)
    """The header of a request that takes longer to arrive gets 408."""
    edge_client_timeout_seconds: int = Field(30, ge=5, le=600)
    """A client that sends nothing of the body it has begun, or takes nothing of its answer, for so long is given up. An
    upload may last as long as it likes while it goes on; a body of up to 8 KiB arrives whole within this time."""
    edge_tunnel_timeout_seconds: int = Field(3600, ge=60, le=86_400)
    """A WebSocket without any traffic for this long is broken off: its client is gone. The silence of one that is there
    is bounded by api_websocket_idle_seconds."""
    edge_server_timeout_seconds: int = Field(60, ge=5, le=3600)
    """A request the application has not begun to answer in this time gets 504."""
    edge_auth_rate_limited_paths: tuple[str, ...] = ("/auth/login",)
    """Paths at which passwords could be guessed; each client has a lower limit for all of them together."""
    edge_auth_requests_per_minute: int = Field(20, ge=1, le=10_000)
    """That limit. It holds while rate_limit_enabled does."""
    edge_host_local_paths: tuple[str, ...] = ("/uploads/",)
    """Below these paths are files that lie on the host that took them, unless hosts share a directory: a host that
    answers 404 does not have it, and the next one is asked."""
    edge_static_path: str | None = Field("/static/", pattern=r"^/([A-Za-z0-9_.-]+/)+$")
    """Files for browsers are below it, each with a digest of what is in it in its name; the application answers for
    them. Clients keep those for which it says nothing else. None: there are none."""
    edge_static_max_age_seconds: int = Field(31_536_000, ge=0, le=31_536_000)
    """How long they keep it."""
    edge_maintenance: str | None = Field(None, min_length=1)
    """What users read instead of the application, such as "We are back at 14:00 UTC": everybody gets 503 and a page
    with it. Meant for one run: --data edge_maintenance=...; the next run without it lets them in again."""
    edge_maintenance_networks: tuple[str, ...] = ()
    """Networks (CIDR) that get to the application all the same, beside its own hosts (for the smoke suite)."""
    edge_retry_after_seconds: int = Field(60, ge=1, le=86_400)
    """When clients are told to come back during maintenance, or when no application host is ready."""
    edge_floating_address: str | None = None
    """An address with its prefix, "203.0.113.5/24", that one of several edges holds by VRRP; the next one takes it over
    within seconds. In the edges' own network. None: publish every edge's address, or have a load balancer do this."""

    @field_validator("edge_auth_rate_limited_paths", "edge_host_local_paths")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [path for path in value if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", path)]:
            raise ValueError(f"paths such as /auth/login, without query; {wrong[0]!r} is none")
        return value

    @field_validator("edge_maintenance_networks", "edge_trusted_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if any(ip_network(network).prefixlen == 0 for network in value):
            rule = "limit" if info.field_name == "edge_trusted_networks" else "maintenance"
            raise ValueError(f"networks narrower than /0: for everybody there is no {rule}")
        return value

    @field_validator("edge_floating_address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and "/" not in value:
            raise ValueError('an address with its prefix length, such as "203.0.113.5/24"')
        return value if value is None else str(ip_interface(value))

    @property
    def supplied(self) -> bool:
        """Whether the certificate comes from files."""
        return bool(self.ssl_certfile and self.ssl_keyfile)

    @property
    def acme(self) -> bool:
        """Whether the certificate comes by ACME."""
        return self.edge_acme_directory is not None

    @property
    def public(self) -> bool:
        """Whether the certificate is one that every client is to trust, and not of the internal CA."""
        return self.supplied or self.acme
