"""What a lab is and where it is kept, so that any later command finds it again, also after a crash."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError

STATE = Path("/var/lib/xteam-lab")
CACHE = Path("/var/cache/xteam-lab")
DOMAIN = "xteam.lab"
SSH_USER = "deploy"


@dataclass
class LabHost:
    """One host of a lab: its place in the network and, while it is on, its process."""

    name: str
    groups: tuple[str, ...]
    region: str
    address: str
    interface: str
    machine_id: str
    cut: bool = False


@dataclass
class Lab:
    """One lab. `slot` is its number on this machine; networks and interface names derive from it."""

    name: str
    topology: str
    slot: int
    image: str
    packages: str
    hosts: list[LabHost] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return STATE / self.name

    @property
    def key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def description(self) -> Path:
        """The file other programs read; it exists only while the lab is up."""
        return self.directory / "lab.json"

    def host(self, name: str) -> LabHost:
        """Return the host of that name. Raises LabError naming the ones there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"lab {self.name} has no host {name!r}; it has {', '.join(h.name for h in self.hosts)}")

    def save(self) -> None:
        """Keep the lab's own record (write to a new file, then rename: a crash leaves the old or the new one)."""
        write_json(self.directory / "state.json", asdict(self))

    def publish(self, controller: str, **servers: dict[str, str] | None) -> None:
        """Write lab.json, which says to inventories and tests that the lab is up. servers: how to use the lab's own."""
        write_json(
            self.description,
            {
                "schema": 1,
                "name": self.name,
                "topology": self.topology,
                "domain": DOMAIN,
                "controller": controller,
                **servers,
                "ssh": {"user": SSH_USER, "key": str(self.key), "known_hosts": str(self.known_hosts)},
                "hosts": [
                    {
                        "name": h.name,
                        "address": h.address,
                        "region": h.region,
                        "groups": list(h.groups),
                        "volume": str(self.directory / "hosts" / h.name / "volume.img"),
                    }
                    for h in self.hosts
                ],
            },
        )


def write_json(path: Path, content: Any, mode: int = 0o644) -> None:
    """Replace a JSON file in one step."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode)
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(path)


def secrets_file(directory: Path) -> Path:
    """The lab's secrets store, as group_data/lab.py names it."""
    return directory / "secrets.json"


def keep_secret(lab: Lab, name: str, value: str) -> None:
    """Put a secret into the lab's store that the first deploy can't make, unless the store has it."""
    path = secrets_file(lab.directory)
    kept = json.loads(path.read_text()) if path.exists() else {}
    if name not in kept:
        write_json(path, {**kept, name: value}, mode=0o600)


def load(name: str) -> Lab:
    """Read the lab's record. Raises LabError when there is no such lab."""
    try:
        content = json.loads((STATE / name / "state.json").read_text())
    except FileNotFoundError:
        names = ", ".join(lab_names()) or "none"
        raise LabError(f"no lab {name!r} (labs: {names}); start it with `python -m lab up --name {name}`") from None
    hosts = [LabHost(**{**host, "groups": tuple(host["groups"])}) for host in content.pop("hosts")]
    return Lab(**content, hosts=hosts)


def lab_names() -> list[str]:
    """Names of the labs that have a record on this machine, up or half-made."""
    return sorted(path.parent.name for path in STATE.glob("*/state.json"))


def default_name() -> str:
    """The lab that commands and inventories mean when none is named."""
    return os.environ.get("XTEAM_LAB") or "lab"


@contextmanager
def lock(name: str, directory: Path = STATE) -> Iterator[None]:
    """Hold a machine-wide lock; it ends with the process at the latest.

    The file is not inherited by hosts started meanwhile (Python opens it close-on-exec), so a host can't keep it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
