"""A control group of its own for each host, so that one host's systemd never touches another's processes.

With --keep-unit, nspawn puts its payload below the group it is started in. Two hosts started from one shell would
share it, and stopping a service on one would wait for the other's processes.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from lab.shell import run


def systemd_runs_here() -> bool:
    """Tell whether this machine's init is systemd (on a CI runner or in a container it may not be)."""
    return Path("/run/systemd/system").is_dir()


def prefix(unit: str) -> list[str]:
    """Words to put before a command so that it runs in a group of its own and keeps its process id."""
    if systemd_runs_here():
        # A scope with delegation: systemd leaves everything below it to nspawn.
        scope = ["systemd-run", "--quiet", "--scope", "--collect", f"--unit={unit}"]
        return [*scope, "--property=Delegate=yes", "--"]
    groups = [root / "xteam-lab" / unit for root in _hierarchies()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    joins = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
    return ["sh", "-c", f'{joins}exec "$@"', "sh"]


def remove(unit: str) -> None:
    """Remove a host's groups when its processes have ended (a few tenths of a second may pass until they are gone)."""
    if systemd_runs_here():
        run(["systemctl", "stop", f"{unit}.scope"], check=False)  # waits until the name is free again
    for root in _hierarchies():
        for _ in range(20):
            if _remove_tree(root / "xteam-lab" / unit):
                break
            time.sleep(0.1)
        with suppress(OSError):
            (root / "xteam-lab").rmdir()


def _remove_tree(group: Path) -> bool:
    if not group.exists():
        return True
    for path in sorted(group.rglob("*"), key=lambda path: len(path.parts), reverse=True):
        if path.is_dir():
            with suppress(OSError):
                path.rmdir()
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def _hierarchies() -> list[Path]:
    """Mounted hierarchies that track services: version 2, and version 1's name=systemd."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(where))
    return found
