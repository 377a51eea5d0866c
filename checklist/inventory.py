"""Which machines there are and how to reach them, read from a pyinfra inventory.

Run as a process of its own (`python -m checklist.inventory PATH`): importing pyinfra's command line replaces
parts of the standard library by gevent's, which must not happen inside pytest.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyinfra.api import Host


class InventoryError(Exception):
    """The inventory can't be read or holds no machine."""


@dataclass(frozen=True)
class Machine:
    """A host of the inventory. `address` is what other hosts use; `ssh_*` is how the controller gets in."""

    name: str
    address: str
    region: str
    groups: tuple[str, ...]
    ssh_hostname: str
    ssh_user: str
    ssh_port: int
    ssh_key: str
    ssh_known_hosts_file: str


# Filled by checklist.rerun, which has read the inventory before.
PREREAD: list[tuple[Machine, ...]] = []


def read(path: str) -> tuple[Machine, ...]:
    """The inventory's machines in its order. Raises InventoryError."""
    if PREREAD:
        return PREREAD[0]
    if not Path(path).is_file():
        raise InventoryError(f"--inventory {path}: no such file")
    command = [sys.executable, "-m", "checklist.inventory", path]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise InventoryError(f"--inventory {path} can't be read:\n{run.stderr.strip()}")
    machines = [Machine(**{**m, "groups": tuple(m["groups"])}) for m in json.loads(run.stdout)]
    if not machines:
        raise InventoryError(f"--inventory {path} names no host")
    return tuple(machines)


def limited(machines: tuple[Machine, ...], limit: str) -> tuple[Machine, ...]:
    """Those machines that --limit names by host or group. Raises InventoryError when a name fits nothing."""
    wanted = {word for word in limit.split(",") if word}
    if not wanted:
        return machines
    known = {m.name for m in machines} | {group for m in machines for group in m.groups}
    if unknown := sorted(wanted - known):
        raise InventoryError(f"--limit {','.join(unknown)}: no such host or group; known: {', '.join(sorted(known))}")
    return tuple(m for m in machines if m.name in wanted or wanted & set(m.groups))


def _describe(host: "Host") -> dict[str, Any]:
    data = host.data
    ssh_hostname = data.get("ssh_hostname") or host.name
    return {
        "name": host.name,
        "address": data.get("address") or ssh_hostname,
        "region": data.get("region") or "",
        "groups": [group for group in host.groups if group != "all"],
        "ssh_hostname": ssh_hostname,
        "ssh_user": data.get("ssh_user") or "root",
        "ssh_port": int(data.get("ssh_port") or 22),
        "ssh_key": str(data.get("ssh_key") or ""),
        "ssh_known_hosts_file": str(data.get("ssh_known_hosts_file") or "~/.ssh/known_hosts"),
    }


def main() -> None:
    """Print the machines of the inventory named on the command line as JSON."""
    from pyinfra.api.config import Config
    from pyinfra.api.state import State
    from pyinfra.context import ctx_config, ctx_state
    from pyinfra_cli.exceptions import UnexpectedExternalError
    from pyinfra_cli.inventory import make_inventory_from_files

    sys.path.append(str(Path.cwd()))
    ctx_state.set(State())
    ctx_config.set(Config())
    try:
        inventory = make_inventory_from_files(sys.argv[1], cwd=str(Path.cwd()))
    except UnexpectedExternalError as error:
        cause = error.__context__ or error
        sys.exit(f"{type(cause).__name__}: {cause}")  # pyinfra's own stack says nothing about the inventory
    own_group = Path(sys.argv[1]).stem
    machines = [_describe(host) for host in inventory]
    for machine in machines:
        machine["groups"] = [group for group in machine["groups"] if group != own_group]
    json.dump(machines, sys.stdout)


if __name__ == "__main__":
    main()
