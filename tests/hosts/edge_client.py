"""Clients of an edge, which nobody else is: its own loopback addresses."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from xteam_client import Answer
from xteam_client import curl as ask_by_curl

BUSY, CALM, CURIOUS = "127.0.77.1", "127.0.77.2", "127.0.77.3"
SERVED = {"200", "503"}  # 503: the application is away, which is another check's business


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


def forget(hosts, *clients):
    """No edge knows of these clients (of any) any more: each has a copy of what the others counted."""
    tables = [f"{what}-{edge.name}" for what in ("clients", "strict") for edge in hosts.group("edge")]
    which = [f" key {client}" for client in clients] or [""]
    commands = "; ".join(f"xteam-edge clear table {table}{key}" for table in tables for key in which)
    hosts.at_once(hosts.group("edge"), commands)


@dataclass
class Visitor:
    """Asks an edge for anything, as the public name, exactly as written."""

    host: Any
    estate: Any

    def __call__(self, path: str, method: str = "GET", token: str = "", body: Any = None, options: str = "") -> Answer:
        """body: sent as JSON. options: further ones of curl, such as `--request-target`."""
        domain = self.estate.all.domain
        config = ["max-time = 30", "include", "path-as-is", "globoff", "http1.1", "insecure", f"interface = {CURIOUS}"]
        config += [f"connect-to = {domain}:443:127.0.0.1:443", f"request = {method}"]
        config.append(f"url = {json.dumps(f'https://{domain}{path}')}")
        if token:
            config.append(f'header = "Authorization: Bearer {token}"')
        if body is not None:
            config += ['header = "Content-Type: application/json"', f"data = {json.dumps(json.dumps(body))}"]
        return ask_by_curl(self.host, config, options)
