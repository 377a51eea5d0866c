"""What measurements share: the estate, its hosts, faults and writers, without pytest around them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from checklist.estate import EstateError, EstateReader
from checklist.evidence import Recorder, Redactor
from checklist.hosts import CheckedHost, Hosts
from checklist.inventory import InventoryError, read
from checklist.vault import SecretReader
from checklist.waiting import eventually
from tests.drills.harness.cluster import Cluster
from tests.drills.harness.faults import Faults
from tests.drills.harness.writers import Writer


class BenchError(Exception):
    """The estate can't be measured."""


def _file(name: str) -> str:
    """The file of a layer, or of a verb."""
    verb = Path("tasks", f"{name}.py")
    return str(verb if verb.exists() else Path("deploys", f"{name}.py"))


class Bench:
    """One inventory, for the length of a `with`; whatever was broken is mended at its end."""

    def __init__(self, inventory: str):
        self.inventory = inventory
        try:
            reader = EstateReader(str(Path(inventory)))
            redact = Redactor()
            self.hosts = Hosts(read(inventory), Recorder(redact))
            self.estate = reader.get()
        except (InventoryError, EstateError) as error:
            raise BenchError(str(error)) from error
        self.secret = SecretReader(self.estate, redact).get
        self.cluster = Cluster(self.hosts, self.estate)
        self.faults = Faults(self.hosts)
        self.eventually = eventually
        self._writers: list[Writer] = []

    def wait(self, holds: Callable[[], object], seconds: float) -> object:
        """Until it holds."""
        return eventually(holds, seconds=seconds, interval=0.3)

    def writer(self, orders: dict[str, Any], host: CheckedHost | None = None) -> Writer:
        """An application that writes from a host; by default from one of the application's."""
        members = self.cluster.members
        clients = [h for h in self.hosts if {"app", "worker"} & set(h.machine.groups) and h not in members]
        if not clients and not host:
            raise BenchError("no host of the application beside the members in the inventory")
        self._writers.append(Writer(host or clients[0], orders))
        return self._writers[-1].started(eventually)

    def deploy(self, layers: tuple[str, ...], **data: object) -> None:
        """Run some layers or verbs, as an operator does. data: given with --data."""
        program = Path(sys.executable).with_name("pyinfra")
        command = [str(program), "-y", self.inventory, *map(_file, layers)]
        command += [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise BenchError(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-2000:]}")

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.undo()
        for writer in self._writers:
            writer.remove()
        self.hosts.close()
