"""Rules of the edge layer that look at the whole estate."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path

from xteam_infra.errors import CertificateError, Problem
from xteam_infra.estate import Estate
from xteam_infra.layers.edge.public import hosts
from xteam_infra.pki.supplied import read_supplied
from xteam_infra.settings.all import HOST_NAME
from xteam_infra.settings.edge import EdgeSettings

# So many sources at their limits, and what they may have of an edge's connections together, in percent.
SOURCES, SHARE_OF_SOURCES = 50, 80


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.edge
    if not estate.members("edge"):
        return
    if patterns := [name for name in hosts(estate) if not HOST_NAME.match(name)]:
        allowed = "whole lower-case host names: the edge passes no others"
        yield Problem("group_data/app.py", "ALLOWED_HOSTS", ", ".join(patterns), allowed)
    if bool(settings.ssl_certfile) != bool(settings.ssl_keyfile):
        missing = "ssl_keyfile" if settings.ssl_certfile else "ssl_certfile"
        yield settings.problem(missing, None, "both ssl_certfile and ssl_keyfile, or neither")
    elif settings.ssl_certfile and settings.ssl_keyfile:
        try:
            read_supplied(Path(settings.ssl_certfile), Path(settings.ssl_keyfile), hosts(estate))
        except CertificateError as error:
            yield settings.problem("ssl_certfile", settings.ssl_certfile, str(error))
    yield from _source_problems(settings)
    if settings.acme:
        yield from _acme_problems(settings)
    if settings.edge_floating_address:
        yield from _floating_problems(estate, ip_interface(settings.edge_floating_address))


def _source_problems(settings: EdgeSettings) -> Iterator[Problem]:
    most = settings.edge_max_connections * SHARE_OF_SOURCES // (100 * SOURCES)
    for name in ("edge_connections_per_source", "edge_requests_per_source"):
        if (found := getattr(settings, name)) > most:
            allowed = (
                f"at most {most} with edge_max_connections = {settings.edge_max_connections}: {SOURCES} sources"
                f" together leave {100 - SHARE_OF_SOURCES} % of it to the others"
            )
            yield settings.problem(name, found, allowed)


def _acme_problems(settings: EdgeSettings) -> Iterator[Problem]:
    if settings.ssl_certfile or settings.ssl_keyfile:
        yield settings.problem(
            "ssl_certfile", settings.ssl_certfile, "None when edge_acme_directory is set: one source"
        )
    if not re.fullmatch(r"https://[^\s\"']+", settings.edge_acme_directory or ""):
        yield settings.problem(
            "edge_acme_directory", settings.edge_acme_directory, "an address that begins with https://"
        )
    if not re.fullmatch(r"[^@\s\"']+@[^@\s\"']+\.[^@\s\"']+", settings.edge_acme_email or ""):
        yield settings.problem(
            "edge_acme_email", settings.edge_acme_email, "a mail address: the authority writes there"
        )
    if settings.edge_acme_ca and not Path(settings.edge_acme_ca).is_file():
        yield settings.problem("edge_acme_ca", settings.edge_acme_ca, "a PEM file on the controller")


def _floating_problems(estate: Estate, floating: IPv4Interface | IPv6Interface) -> Iterator[Problem]:
    settings = estate.edge

    def refuse(allowed: str) -> Problem:
        return settings.problem("edge_floating_address", settings.edge_floating_address, allowed)

    edges = estate.members("edge")
    if len(edges) < 2:
        yield refuse("None with one edge: there is nobody to take it over")
    if any(ip_address(machine.address) == floating.ip for machine in estate.machines):
        yield refuse("an address that no host has")
    if outside := [edge.name for edge in edges if ip_address(edge.address) not in floating.network]:
        yield refuse(f"an address in the network of every edge; {', '.join(outside)} is outside {floating.network}")
