"""HAProxy, where the world comes in: TLS, host allow-list, request id, limits, and only ready application hosts."""

from ipaddress import ip_interface
from pathlib import Path
from shlex import quote

from pyinfra import host

from xteam_infra.engine.commands import loop
from xteam_infra.engine.host_packages import shell_command, shell_settings
from xteam_infra.engine.operations import HostFile, barrier, ensure, service, write
from xteam_infra.engine.operations.services import disable_removed
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app.needs import ports
from xteam_infra.layers.edge.facts import InterfaceOf
from xteam_infra.layers.edge.needs import (
    ACME_PORT,
    ADMIN_SOCKET,
    ALIVE_CONNECTIONS,
    ALIVE_PORT,
    CERTBOT_TIMER,
    FLOATING_UNIT,
    MASTER_SOCKET,
    PEERS_PORT,
    SMALL_BODY,
    STREAMS,
    SUPPLIED_PEM,
    UNIT,
    certificate_path,
    http_connections,
    internal_certificate,
    peer_certificate,
    peer_client_certificate,
    process_connections,
)
from xteam_infra.layers.edge.public import body_limit, hosts, operators, rate_limit
from xteam_infra.pki.supplied import read_supplied
from xteam_infra.settings.edge import REASONS

estate = open_estate()
settings = estate.edge
certificate = certificate_path(estate)
edges = estate.members("edge")
machine = here()
ACME_CA = "/etc/xteam/pki/acme-ca.crt"
own, own_client = peer_certificate(estate, machine).crt, peer_client_certificate(machine).crt

values = {
    "settings": settings,
    "machine": machine,
    "peers": edges,
    "peers_port": PEERS_PORT,
    "peer_certificate": own,
    "peer_client": own_client,
    "alive_port": ALIVE_PORT,
    "alive_connections": ALIVE_CONNECTIONS,
    "http_connections": http_connections(settings),
    "process_connections": process_connections(settings),
    "small_body": SMALL_BODY,
    "streams": min(STREAMS, settings.edge_requests_per_source),
    "acme_port": ACME_PORT,
    "acme_ca_path": ACME_CA,
    "hosts": hosts(estate),
    "certificate": certificate,
    "rate_limit": rate_limit(estate),
    "body_limit": body_limit(estate),
    "operators": operators(estate),
    # With one host there is no other to ask.
    "files_paths": settings.edge_host_local_paths if len(estate.members("app")) > 1 else (),
    "applications": estate.members("app"),
    "ports": ports(estate.app),
    "admin_socket": ADMIN_SOCKET,
    "master_socket": MASTER_SOCKET,
    "reasons": REASONS,
    # The application's own hosts: their smoke suite looks before users do.
    "let_in": (*settings.edge_maintenance_networks, *(machine.address for machine in estate.members("app"))),
    "page": "/etc/haproxy/maintenance.html",
}
command_settings = {
    "ACME_CA": ACME_CA if settings.edge_acme_ca else "",
    "ACME_DIRECTORY": settings.edge_acme_directory,
    "ACME_EMAIL": settings.edge_acme_email,
    "ACME_PORT": ACME_PORT,
    "ADDRESS": machine.address,
    "ADMIN_SOCKET": ADMIN_SOCKET,
    "CERTIFICATE": certificate,
    "HOSTS": " ".join(hosts(estate)),
    "NAME": machine.name,
}
page = HostFile("/etc/haproxy/maintenance.html", "edge/maintenance.html.j2", values)
config = HostFile("/etc/haproxy/haproxy.cfg", "edge/haproxy.cfg.j2", values, validate="haproxy -c -f {}")
unit = HostFile("/etc/systemd/system/haproxy.service.d/10-xteam.conf", "edge/10-xteam.conf.j2", values)


def supplied_pem() -> str:
    """Certificate and key in one text, as HAProxy wants them."""
    assert settings.ssl_certfile and settings.ssl_keyfile, "asked only where they are given"
    leaf = read_supplied(Path(settings.ssl_certfile), Path(settings.ssl_keyfile), hosts(estate))
    return f"{leaf.certificate.rstrip()}\n{leaf.key}"


def acme_files() -> list[HostFile]:
    """What certbot needs to ask for a certificate, and to hand it over."""
    if not settings.acme:
        return []
    found = [shell_command("xteam-acme")]
    if settings.edge_acme_ca:
        found.append(HostFile(ACME_CA, text=Path(settings.edge_acme_ca).read_text()))
        found.append(HostFile("/etc/systemd/system/certbot.service.d/10-xteam.conf", "edge/certbot.conf.j2", values))
    return found


def acme_known(directory: str) -> str:
    """Shell: whether the edge has a certificate of this ACME server."""
    return f"grep -qxF {quote('server = ' + directory)} /etc/letsencrypt/renewal/xteam.conf 2>/dev/null"


def acme_reached(directory: str) -> str:
    """Shell: whether an edge gets a connection to the ACME server. What it then says is for certbot to judge."""
    return f"(curl -s -o /dev/null --connect-timeout 10 -m 20 {quote(directory)}; case $? in 5|6|7|28) exit 1; esac)"


def acme_refusal(directory: str) -> str:
    """What to do when it gets none."""
    return (
        f"{directory} can't be reached from here; nothing is changed. The firewall lets edges out to"
        " it, and the authority's questions in, once it knows the setting: pyinfra INVENTORY deploys/base.py"
        " deploys/firewall.py, then this again"
    )


if "edge" in machine.groups:
    # Before the configuration, whose validation reads it.
    supplied = [HostFile(certificate, text=supplied_pem, mode="600")] if settings.supplied else []
    if directory := settings.edge_acme_directory:
        # Before anything shows another certificate.
        ensure(
            f"{acme_reached(directory)} || {{ echo {quote(acme_refusal(directory))} >&2; exit 1; }}",
            f"{acme_known(directory)} || {acme_reached(directory)}",
            name="Require that the ACME server can be reached",
        )
        ensure(
            f"present={SUPPLIED_PEM}; test -s $present || present={internal_certificate(estate).crt};"
            f" install -m 600 $present {certificate}",
            f"test -s {certificate}",
            name="Copy the present certificate until ACME has issued one",
        )
    write(
        [
            *supplied,
            *acme_files(),
            page,
            config,
            unit,
            shell_settings("edge", command_settings),
            shell_command("xteam-edge"),
            shell_command("xteam-edge-leave"),
        ],
        name="Write the edge's files",
    )
barrier(name="edge: files are on every edge")

# A reload loses no connection, but a mistake should reach one edge, not all.
for peer in loop(edges):
    if peer == machine:
        service(
            UNIT,
            # What certbot brings, it hands over by itself.
            [config, page, unit, *([] if settings.acme else [certificate]), own, own_client],
            action="reload",
            health="curl -sk -o /dev/null https://127.0.0.1/",
            name=f"Run HAProxy on edge {peer.name} with its present files",
        )
    barrier(name=f"edge: {peer.name} answers")

if "edge" in machine.groups and settings.acme:
    ensure("xteam-acme issue", "xteam-acme done", name="Issue the public certificate by ACME")
    service(CERTBOT_TIMER, name="Run the timer that renews the public certificate")

floating = settings.edge_floating_address
if "edge" in machine.groups and floating:
    more = {
        **values,
        "interface": host.get_fact(InterfaceOf, address=machine.address),
        "priority": 200 - edges.index(machine),
        # One a network: the address's last number is another's by accident only.
        "router": int(ip_interface(floating).ip) % 255 + 1,
    }
    sharing = HostFile("/etc/keepalived/keepalived.conf", "edge/keepalived.conf.j2", more, validate="keepalived -tf {}")
    drop_in = HostFile("/etc/systemd/system/keepalived.service.d/10-xteam.conf", "edge/keepalived.service.conf.j2")
    write([sharing, drop_in], name="Write keepalived's files (the edges' floating address)")
    service(FLOATING_UNIT, [sharing], action="reload", name="Run keepalived (the edges' floating address)")

if "edge" in machine.groups:
    unused = [*([] if floating else [FLOATING_UNIT]), *([] if settings.acme else [CERTBOT_TIMER])]
    disable_removed(unused, name="Disable keepalived and certbot where the settings do not use them")
barrier(name="edge: applied")
