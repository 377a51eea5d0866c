"""The lab's error tracker: one a lab, on this machine's address in the region of the application."""

from __future__ import annotations

import secrets

from lab.own_server import OwnServer
from lab.state import Lab, keep_secret

SERVER = OwnServer("the error tracker", "lab.sentry_server", 9000, frozenset({"app", "worker"}), "sentry")
DSN, TOKEN = "app/SENTRY_DSN", "app/sentry-api-token"
ORGANIZATION = "lab"


def start(lab: Lab) -> None:
    """Start the server, empty, unless it runs or there is no application. Its DSN and its token are put into the lab's
    store, as an operator puts those of his own tracker there."""
    if not SERVER.wanted(lab):
        return
    keep_secret(lab, DSN, f"http://{secrets.token_hex(16)}@{SERVER.address(lab)}:{SERVER.port}/1")
    keep_secret(lab, TOKEN, secrets.token_hex(32))
    SERVER.start(lab)


def published(lab: Lab) -> dict[str, str] | None:
    """What lab.json says of it."""
    if not SERVER.wanted(lab):
        return None
    return {"api": f"http://{SERVER.address(lab)}:{SERVER.port}/api/0/organizations/{ORGANIZATION}"}
