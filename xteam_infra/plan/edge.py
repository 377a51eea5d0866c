"""What the edge layer needs of a host: HAProxy, open to the world on ports 80 and 443."""

from xteam_infra.pki import Subject
from xteam_infra.plan.needs import PKI_DIRECTORY, Certificate, Listen, Needs

UNIT = "haproxy.service"
ADMIN_SOCKET = "/run/haproxy/admin.sock"
SUPPLIED_PEM = f"{PKI_DIRECTORY}/edge-supplied.pem"

# Memory (MiB): HAProxy with its client table, and one connection with TLS and both buffers, rounded up.
BASE_MB = 64
CONNECTION_MB = 0.1


def needs(estate, machine) -> Needs:
    """HAProxy and, unless it is supplied, a certificate of the internal CA for the public names."""
    if "edge" not in machine.groups:
        return Needs()
    memory = BASE_MB + round(CONNECTION_MB * estate.edge.edge_max_connections)
    return Needs(
        packages=("haproxy", "socat"),
        listens=(Listen(80, "HTTP, redirected", ("world",)), Listen(443, "HTTPS", ("world",))),
        certificates=() if estate.edge.supplied else (internal_certificate(estate),),
        memory_mb={"edge": memory},
        units=(UNIT,),
    )


def internal_certificate(estate) -> Certificate:
    """The stand-in for a public certificate."""
    return Certificate("edge", Subject(estate.all.domain, estate.edge.hosts(estate)), bundle=True)


def certificate_path(estate) -> str:
    """What HAProxy shows to clients."""
    return SUPPLIED_PEM if estate.edge.supplied else internal_certificate(estate).crt
