"""What the edge layer needs of a host: HAProxy, open to the world on ports 80 and 443.

Edges tell each other, and themselves at a reload, what their clients ask for; several may share an address by VRRP.
"""

from typing import TypeVar

from xteam_infra.estate import Estate
from xteam_infra.layers.edge import public
from xteam_infra.machine import Machine
from xteam_infra.pki import Subject
from xteam_infra.plan.needs import EDGE_PEERS, PKI_DIRECTORY, Certificate, HostRequirements, Leave, ListenPort, reach_of
from xteam_infra.settings.edge import EdgeSettings

One = TypeVar("One")

UNIT = "haproxy.service"
FLOATING_UNIT = "keepalived.service"
CERTBOT_TIMER = "certbot.timer"
# Gives the floating address to another edge, once nobody is in the middle of a request.
LEAVE = "/usr/local/sbin/xteam-edge-leave"
PEERS_PORT = 10443
PEER_CLIENT = "edge-peer-client"
ACME_PORT = 8088
ALIVE_PORT = 8404
VRRP = 112  # its number as a protocol of IP
ADMIN_SOCKET = "/run/haproxy/admin.sock"
MASTER_SOCKET = "/run/haproxy-master.sock"  # where Debian's unit puts it
SUPPLIED_PEM = f"{PKI_DIRECTORY}/edge-supplied.pem"
ACME_PEM = f"{PKI_DIRECTORY}/edge-acme.pem"

# Memory (MiB): HAProxy with its client table, and one connection with TLS and both buffers, rounded up.
BASE_MB = 64
CONNECTION_MB = 0.1

HTTPS_PORT = 443
# Connections of keepalived and of people on the host; and what the process has beside its frontends: peers, sockets.
ALIVE_CONNECTIONS = 50
OWN_CONNECTIONS = 200
# A body of so many bytes fits into HAProxy's buffer together with the request's header.
SMALL_BODY = 8 * 1024
# Requests that a client may have under way in one connection of HTTP/2; browsers ask for more later.
STREAMS = 32


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """HAProxy and, unless it is supplied, a certificate of the internal CA for the public names."""
    if "edge" not in machine.groups:
        return HostRequirements()
    memory = BASE_MB + round(CONNECTION_MB * process_connections(estate.edge))
    floating = estate.edge.edge_floating_address is not None
    listens = [
        ListenPort(80, "HTTP, redirected", ("world",)),
        ListenPort(HTTPS_PORT, "HTTPS", ("world",), tls="tls"),
        ListenPort(ALIVE_PORT, "whether HAProxy answers", ("local",)),
        ListenPort(
            PEERS_PORT, "clients' counts", ("edge",), tls="tls", clients=(PEER_CLIENT,), issuer=EDGE_PEERS, most=32
        ),
        *_if(estate.edge.acme, ListenPort(ACME_PORT, "ACME challenges", ("edge",))),
        *_if(floating, ListenPort(VRRP, "VRRP", ("edge",), protocol="vrrp")),
    ]
    certificates = [
        *_if(not estate.edge.supplied, internal_certificate(estate)),
        peer_certificate(estate, machine),
        peer_client_certificate(machine),
    ]
    return HostRequirements(
        packages=("haproxy", "socat", *_if(floating, "keepalived"), *_if(estate.edge.acme, "certbot")),
        listens=tuple(listens),
        reaches=_if(estate.edge.acme, reach_of("ACME", estate.edge.edge_acme_directory or "", ("root",))),
        certificates=tuple(certificates),
        memory_mb={"edge": memory},
        units=(UNIT, *_if(floating, FLOATING_UNIT), *_if(estate.edge.acme, CERTBOT_TIMER)),
        whole={
            **{f"edge {one.name}": _answers(one.address) for one in estate.members("edge")},
            **{f"API {one.name}": _is_up(one.name) for one in estate.members("app")},
        },
        leaves={"edge": Leave(f"{LEAVE} now", f"{LEAVE} back")} if floating and len(estate.members("edge")) > 1 else {},
    )


def http_connections(settings: EdgeSettings) -> int:
    """Connections on port 80, where there is only a redirect: a quarter of HTTPS's."""
    return max(250, settings.edge_max_connections // 4)


def process_connections(settings: EdgeSettings) -> int:
    """Connections of HAProxy's process: more than its frontends can have together."""
    return settings.edge_max_connections + http_connections(settings) + ALIVE_CONNECTIONS + OWN_CONNECTIONS


def _answers(address: str) -> str:
    """Shell: the edge at this address answers its users."""
    return f"curl -sk -m 5 -o /dev/null https://{address}/ || {{ echo 'no answer from https://{address}/'; exit 1; }}"


def _is_up(name: str) -> str:
    """Shell: this edge sends requests to the API of that host."""
    server = f"^app,{name}-[a-z]+,([^,]*,){{15}}UP"
    return (
        f"xteam-edge show stat | grep -qE '{server}'"
        f" || {{ echo 'this edge sends nothing to {name}: xteam-edge show servers state'; exit 1; }}"
    )


def _if(condition: bool, one: One) -> tuple[One, ...]:
    return (one,) if condition else ()


def peer_certificate(estate: Estate, machine: Machine) -> Certificate:
    """What an edge shows to the others, and to its own next process."""
    names = (estate.fqdn(machine.name), machine.name)
    return Certificate("edge-peer", Subject(names[0], names), bundle=True)


def peer_client_certificate(machine: Machine) -> Certificate:
    """By which the others let an edge in: HAProxy asks no more of a peer than who signed its certificate."""
    subject = Subject(f"{PEER_CLIENT}.{machine.name}", purpose="client")
    return Certificate(PEER_CLIENT, subject, bundle=True, issuer=EDGE_PEERS)


def internal_certificate(estate: Estate) -> Certificate:
    """The stand-in for a public certificate."""
    return Certificate("edge", Subject(estate.all.domain, public.hosts(estate)), bundle=True)


def certificate_path(estate: Estate) -> str:
    """What HAProxy shows to clients."""
    if estate.edge.acme:
        return ACME_PEM
    return SUPPLIED_PEM if estate.edge.supplied else internal_certificate(estate).crt
