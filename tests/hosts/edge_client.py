"""Clients of an edge: its own loopback addresses, a new one for each purpose, since edges and application remember."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Any

from xteam_client import Answer
from xteam_client import curl as ask_by_curl

OWN = "127.1"
SERVED = {"200", "503"}  # 503: the application is away, which is another check's business


def anybody() -> str:
    """The address of a client that nobody has been before."""
    return f"{OWN}{randbelow(100):02}.{randbelow(256)}.{1 + randbelow(254)}"


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


def known(host, edge, client):
    """Requests of a client in the last minute that `edge` has counted, as `host` has been told."""
    said = host.check_output(f"xteam-edge show table clients-{edge.name} key {client}")
    rate = re.search(r"http_req_rate\(\d+\)=(\d+)", said)
    return int(rate[1]) if rate else 0


def forget(hosts):
    """No edge knows of the controller any more: each has a copy of what the others counted.

    Clients of an address of their own stay: another check may be counting them.
    """
    tables = [f"{what}-{edge.name}" for what in ("clients", "strict") for edge in hosts.group("edge")]
    others = f"sed -n 's/.* key=\\([^ ]*\\) .*/\\1/p' | grep -v '^::ffff:{OWN}'"
    clear = (
        f"xteam-edge show table $table | {others} | while read -r key; do xteam-edge clear table $table key $key; done"
    )
    hosts.at_once(hosts.group("edge"), f"for table in {' '.join(tables)}; do {clear}; done")


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
