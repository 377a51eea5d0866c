"""The lab's object storage: one S3 server a lab, on this machine's address in the region of the backups."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from lab import network
from lab.errors import LabError
from lab.state import Lab

PORT = 9443
PROJECT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60


def wanted(lab: Lab) -> bool:
    """Only backups need it."""
    return any("backup" in host.groups for host in lab.hosts)


def address(lab: Lab) -> str:
    """This machine's address in the region of the first backup host."""
    return network.gateway(lab.slot, next(host.region for host in lab.hosts if "backup" in host.groups))


def directory(lab: Lab) -> Path:
    return lab.directory / "s3"


def start(lab: Lab) -> None:
    """Start the server, empty, unless it runs. Raises LabError when it does not serve in time."""
    if not wanted(lab) or process_of(lab.name):
        return
    where = directory(lab)
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(mode=0o700)
    command = [_python(), "-m", "lab.s3_server", *_words(lab), f"--directory={where}"]
    # moto would take the first part of a host name for the bucket.
    environment = {**os.environ, "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true", "PYTHONPATH": str(PROJECT)}
    with (where / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=PROJECT,
            start_new_session=True,
        )  # fmt: skip
    _wait(lab, process)


def _words(lab: Lab) -> list[str]:
    return [f"--lab={lab.name}", f"--address={address(lab)}", f"--port={PORT}"]


def _python() -> str:
    """The project's own environment has moto; the lab itself may run by any Python."""
    own = PROJECT / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _wait(lab: Lab, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection((address(lab), PORT), timeout=2):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = (directory(lab) / "server.log").read_text(errors="replace")[-1500:].strip()
            raise LabError(f"the object storage did not start (`script/setup` makes what it needs): {said}")
        time.sleep(0.1)


def stop(name: str) -> None:
    """End the server of a lab, if there is one; what it held is gone."""
    while pid := process_of(name):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def process_of(name: str) -> int | None:
    """Found by its command line, not by a recorded number: that holds after any crash."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_bytes().split(b"\0")
            if b"lab.s3_server" in words and f"--lab={name}".encode() in words:
                return int(path.parent.name)
    return None


def published(lab: Lab) -> dict[str, str] | None:
    """What lab.json says of it."""
    if not wanted(lab):
        return None
    return {"endpoint": f"{address(lab)}:{PORT}", "ca": str(directory(lab) / "ca.crt")}
