"""Clients of an edge: its own loopback addresses, a new one for each purpose, since edges and application remember."""

import json
from collections import Counter
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Any

from xteam_client import Answer
from xteam_client import curl as ask_by_curl

SERVED = {"200", "503"}  # 503: the application is away, which is another check's business


def anybody() -> str:
    """The address of a client that nobody has been before."""
    return f"127.88.{randbelow(256)}.{1 + randbelow(254)}"


def curl(estate, client):
    """curl as one of the edge host's own addresses."""
    return f"curl --silent --insecure --interface {client} --connect-to {estate.all.domain}:443:127.0.0.1:443"


def url(estate, repeat="", path="/healthz"):
    return f"'https://{estate.all.domain}{path}{repeat}'"


def ask_often(host, estate, client, times, path="/healthz"):
    """How often each status came."""
    asked = url(estate, f"?[1-{times}]", path)
    said = host.check_output(f"{curl(estate, client)} --output /dev/null --write-out '%{{http_code}}\\n' {asked}")
    return Counter(said.split())


def forget(hosts):
    """No edge knows of any client any more: each has a copy of what the others counted."""
    tables = [f"{what}-{edge.name}" for what in ("clients", "strict") for edge in hosts.group("edge")]
    hosts.at_once(hosts.group("edge"), "; ".join(f"xteam-edge clear table {table}" for table in tables))


@dataclass
class Visitor:
    """Asks an edge for anything, as the public name, exactly as written. Each is a client of its own to every limit."""

    host: Any
    estate: Any
    address: str = field(default_factory=anybody)

    def __call__(self, path: str, method: str = "GET", token: str = "", body: Any = None, options: str = "") -> Answer:
        """body: sent as JSON. options: further ones of curl, such as `--request-target`."""
        domain = self.estate.all.domain
        config = [
            "max-time = 30",
            "include",
            "path-as-is",
            "globoff",
            "http1.1",
            "insecure",
            f"interface = {self.address}",
        ]
        config += [f"connect-to = {domain}:443:127.0.0.1:443", f"request = {method}"]
        config.append(f"url = {json.dumps(f'https://{domain}{path}')}")
        if token:
            config.append(f'header = "Authorization: Bearer {token}"')
        if body is not None:
            config += ['header = "Content-Type: application/json"', f"data = {json.dumps(json.dumps(body))}"]
        return ask_by_curl(self.host, config, options)
