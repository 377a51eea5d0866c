"""The vocabulary in which a layer says what it needs of a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal
from urllib.parse import urlsplit

from xteam_infra.pki.leaf import Subject

PKI_DIRECTORY = "/etc/xteam/pki"
# Jobs leave their metrics here; the node exporter reads them.
METRICS_DIRECTORY = "/var/lib/prometheus/node-exporter"
CA_PATH = f"{PKI_DIRECTORY}/ca.crt"
# Signs every server's certificate, and clients' of those servers that look at a client's name.
INTERNAL_CA = "ca"
# Servers that can only ask who signed a client's certificate get an authority for their clients alone.
PATRONI_CLIENTS, METRICS_CLIENTS, EDGE_PEERS = "patroni-clients", "metrics-clients", "edge-peers"
# Mozilla's intermediate profile for TLS 1.2, without its DHE suites. With TLS 1.3 every suite is in the profile.
TLS_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def trust_path(issuer: str) -> str:
    """Where the certificate of an authority is on hosts that ask for certificates it signed."""
    return f"{PKI_DIRECTORY}/{issuer}.crt" if issuer == INTERNAL_CA else f"{PKI_DIRECTORY}/{issuer}-ca.crt"


@dataclass(frozen=True)
class ListenPort:
    """A port a service listens on, and who may reach it.

    protocol: "tcp", or "vrrp", which has no ports: `port` is then its number as a protocol of IP.
    sources: group names, "world" (anyone), "management" (management_networks) or "local" (this host alone).
    tls: "tls" from the first byte, "postgres" (TLS after PostgreSQL's request for it), or "none".
    clients: names of the certificates that are let in, those of one host as NAME@HOST. Empty: nobody is asked for a
        certificate, or who comes proves himself otherwise (a password, a user's token).
    issuer: who must have signed them.
    accounts: whose processes on the other hosts of the estate may connect; none named: any but a confined one's.
    most: connections that one other host may have open to it. None: firewall_connections_per_peer; 0: any number,
        since the service limits each source itself or only knows one.
    """

    port: int
    purpose: str
    sources: tuple[str, ...]
    protocol: str = "tcp"
    tls: Literal["tls", "postgres", "none"] = "none"
    clients: tuple[str, ...] = ()
    issuer: str = INTERNAL_CA
    accounts: tuple[str, ...] = ()
    most: int | None = None

    def lets_in(self, certificate: str, host: str) -> bool:
        """Whether the certificate of that name, of that host, is let in."""
        return certificate in self.clients or f"{certificate}@{host}" in self.clients


@dataclass(frozen=True)
class Reach:
    """What a service connects to outside of the estate.

    accounts: whose processes. networks: where (CIDR); none named: anywhere, for the addresses of a name may move.
    """

    purpose: str
    ports: tuple[int, ...]
    accounts: tuple[str, ...]
    networks: tuple[str, ...] = ()
    protocol: str = "tcp"


def reach_of(purpose: str, url: str, accounts: tuple[str, ...]) -> Reach:
    """What connects to a URL: its port, and its address if it is one and no name."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return Reach(purpose, (port,), accounts, as_networks(parts.hostname or ""))


def as_networks(host: str) -> tuple[str, ...]:
    """The network of an address; nothing for a name, whose addresses may move."""
    try:
        return (str(ip_network(ip_address(host))),)
    except ValueError:
        return ()


@dataclass(frozen=True)
class Certificate:
    """A leaf certificate of an internal CA on the host, with its key readable by `owner` alone.

    bundle: write certificate and key into one .pem, as HAProxy wants them.
    issuer: the authority that signs it.
    """

    name: str
    subject: Subject
    owner: str = "root"
    bundle: bool = False
    issuer: str = INTERNAL_CA

    @property
    def crt(self) -> str:
        """Path of the certificate (the whole bundle, if it is one)."""
        return f"{PKI_DIRECTORY}/{self.name}.{'pem' if self.bundle else 'crt'}"

    @property
    def key(self) -> str:
        """Path of the private key."""
        return self.crt if self.bundle else f"{PKI_DIRECTORY}/{self.name}.key"


@dataclass(frozen=True)
class Account:
    """A system account that no Debian package makes. Confined: it connects to what names it, and to nothing else."""

    name: str
    home: str = "/nonexistent"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leave:
    """Shell commands, as root on the host, by which it stops leading or serving before a reboot, and goes on again.

    leads: succeeds while there is something to hand over; without it `leave` is carried out in any case.
    stay: takes it back, when there is no reboot after all.
    """

    leave: str
    stay: str = "true"
    leads: str = ""


@dataclass(frozen=True)
class HostRequirements:
    """What one layer needs of one host. Composed per host by xteam_infra.plan; contradictions are errors.

    masked: units that packages bring and that must never start.
    files: path and text of files that must be there before the packages are installed.
    memory_mb: the most each service may use; the sum is checked against the host.
    units: units that must be active and enabled once the layer is applied.
    sysctls: kernel settings as key and value.
    whole: shell commands by name, each of which succeeds, as root on the host, while all members of a cluster are well.
    leaves: by name, what a host does before it is rebooted, in this order.
    """

    packages: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    listens: tuple[ListenPort, ...] = ()
    reaches: tuple[Reach, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    memory_mb: Mapping[str, int] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    whole: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, Leave] = field(default_factory=dict)
