"""The lab's object storage: one S3 server a lab, on this machine's address in the region of the backups."""

from __future__ import annotations

from lab.own_server import OwnServer
from lab.state import Lab

SERVER = OwnServer("the object storage", "lab.s3_server", 9443, frozenset({"backup"}), "s3")


def start(lab: Lab) -> None:
    """Start the server, empty, unless it runs or nobody backs up. Raises LabError when it does not serve in time."""
    # moto would take the first part of a host name for the bucket.
    SERVER.start(lab, {"S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"})


def published(lab: Lab) -> dict[str, str] | None:
    """What lab.json says of it."""
    if not SERVER.wanted(lab):
        return None
    return {"endpoint": f"{SERVER.address(lab)}:{SERVER.port}", "ca": str(SERVER.directory(lab) / "ca.crt")}
