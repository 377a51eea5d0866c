"""Servers of a lab that are processes of this machine: on its own address in the region of those that need them."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import network
from lab.errors import LabError
from lab.state import Lab

PROJECT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60


@dataclass(frozen=True)
class OwnServer:
    """`python -m MODULE --lab= --address= --port= --directory=`, one a lab.

    what: for people. groups: whose hosts need it. keeps: the name of its directory below the lab's.
    """

    what: str
    module: str
    port: int
    groups: frozenset[str]
    keeps: str

    def wanted(self, lab: Lab) -> bool:
        """Whether the lab has a host that needs it."""
        return any(self.groups & set(host.groups) for host in lab.hosts)

    def address(self, lab: Lab) -> str:
        """This machine's address in the region of the first host that needs it."""
        return network.gateway(lab.slot, next(host.region for host in lab.hosts if self.groups & set(host.groups)))

    def directory(self, lab: Lab) -> Path:
        return lab.directory / self.keeps

    def start(self, lab: Lab, more: Mapping[str, str] | None = None) -> None:
        """Start it, empty, unless it runs. more: for its environment. Raises LabError if it does not serve in time."""
        if not self.wanted(lab) or self.process_of(lab.name):
            return
        where = self.directory(lab)
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(mode=0o700)
        words = [f"--lab={lab.name}", f"--address={self.address(lab)}", f"--port={self.port}", f"--directory={where}"]
        with (where / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [_python(), "-m", self.module, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=PROJECT,
                env={**os.environ, **(more or {}), "PYTHONPATH": str(PROJECT)}, start_new_session=True,
            )  # fmt: skip
        self._wait(lab, process)

    def _wait(self, lab: Lab, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError), socket.create_connection((self.address(lab), self.port), timeout=2):
                return
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self.directory(lab) / "server.log").read_text(errors="replace")[-1500:].strip()
                raise LabError(f"{self.what} did not start (`script/setup` makes what it needs): {said}")
            time.sleep(0.1)

    def stop(self, name: str) -> None:
        """End that of a lab, if there is one; what it held is gone."""
        while pid := self.process_of(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def process_of(self, name: str) -> int | None:
        """Found by its command line, not by a recorded number: that holds after any crash."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(FileNotFoundError, ProcessLookupError):
                words = path.read_bytes().split(b"\0")
                if self.module.encode() in words and f"--lab={name}".encode() in words:
                    return int(path.parent.name)
        return None


def arguments(module: str, what: str) -> argparse.ArgumentParser:
    """How such a server is started; it is found by its module and --lab."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what)
    parser.add_argument("--lab", required=True, help="whose server it is")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="what it keeps, and its log")
    return parser


def _python() -> str:
    """The project's own environment has what a server needs; the lab itself may run by any Python."""
    own = PROJECT / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable
