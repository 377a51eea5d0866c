"""HAProxy, where the world comes in: TLS, host allow-list, request id, limits, and only ready application hosts."""

from pathlib import Path

from pyinfra import host

from xteam_infra.operations import HostFile, barrier, service, write
from xteam_infra.pki.supplied import read_supplied
from xteam_infra.plan.app import ports
from xteam_infra.plan.edge import ADMIN_SOCKET, UNIT, certificate_path
from xteam_infra.runtime import here, open_estate
from xteam_infra.settings.edge import REASONS, body_limit, operators, rate_limit

estate = open_estate()
settings = estate.edge
certificate = certificate_path(estate)

values = {
    "settings": settings,
    "hosts": settings.hosts(estate),
    "certificate": certificate,
    "rate_limit": rate_limit(estate),
    "body_limit": body_limit(estate),
    "operators": operators(estate),
    "applications": estate.members("app"),
    "ports": ports(estate.app),
    "admin_socket": ADMIN_SOCKET,
    "reasons": REASONS,
}
config = HostFile("/etc/haproxy/haproxy.cfg", "edge/haproxy.cfg.j2", values, validate="haproxy -c -q -f {}")


def supplied_pem() -> str:
    """Certificate and key in one text, as HAProxy wants them."""
    leaf = read_supplied(Path(settings.ssl_certfile), Path(settings.ssl_keyfile), settings.hosts(estate))
    return f"{leaf.certificate.rstrip()}\n{leaf.key}"


if "edge" in here().groups:
    # Before the configuration, whose validation reads it.
    supplied = [HostFile(certificate, text=supplied_pem, mode="600")] if settings.supplied else []
    write(
        [
            *supplied,
            config,
            HostFile("/etc/systemd/system/haproxy.service.d/10-xteam.conf", "edge/10-xteam.conf.j2"),
            HostFile("/usr/local/sbin/xteam-edge", "edge/xteam-edge.j2", values, mode="755"),
        ],
        name="Write the edge's files",
    )
barrier(name="the edges' files are written")

# A reload loses no connection, but a mistake should reach one edge, not all.
for peer in host.loop(estate.members("edge")):
    if peer == here():
        service(
            UNIT,
            [config, certificate],
            action="reload",
            health="curl -sk -o /dev/null https://127.0.0.1/",
            name=f"Run edge {peer.name} with its present files",
        )
    barrier(name=f"edge {peer.name} answers")
barrier(name="edge is laid")
