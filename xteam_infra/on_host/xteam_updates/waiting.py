"""What is newer than what runs: packages that were held back, a reboot, services that run replaced files."""

import json
import re
import subprocess
import time
from pathlib import Path

# Written by unattended-upgrades at the end of each run, in one line; gone when nothing was held back.
KEPT_BACK = Path("/var/lib/unattended-upgrades/kept-back")
REBOOT = Path("/run/reboot-required")
PROC = Path("/proc")
# When each of the outdated services was first seen.
SEEN = Path("/var/lib/xteam/outdated-units.json")
# A program or a library. Of a sandbox with mounts of its own the kernel may show no more of a path than "/".
REPLACED = re.compile(r"^\S+ r-xp .* (?:/|/(?:usr|lib)\S+) \(deleted\)$", re.MULTILINE)
UNIT = re.compile(r"/([^/]+\.service)(?:/|$)", re.MULTILINE)


def kept_back() -> list[str]:
    """Packages the last run of unattended-upgrades left alone, and that nobody has brought up to date since."""
    names = KEPT_BACK.read_text().split() if KEPT_BACK.exists() else []
    return [name for name in names if _is_older(name)]


def reboot_since() -> float | None:
    """When a package first asked for a reboot, in seconds since 1970; None when none does."""
    return REBOOT.stat().st_mtime if REBOOT.exists() else None


def outdated_units() -> dict[str, float]:
    """Services that run what was replaced on the disk, and when that was first seen, in seconds since 1970."""
    known = json.loads(SEEN.read_text()) if SEEN.exists() else {}
    return {unit: known.get(unit, time.time()) for unit in _running_replaced()}


def remember(units: dict[str, float]) -> None:
    """Keep when they were first seen; forget those that were restarted."""
    new = SEEN.with_suffix(".new")
    new.write_text(json.dumps(units))
    new.replace(SEEN)


def _running_replaced() -> list[str]:
    """Services with a process whose program or library is no longer the file of that name."""
    found = set()
    for process in PROC.glob("[0-9]*"):
        try:
            if REPLACED.search((process / "maps").read_text(errors="replace")):
                found |= set(UNIT.findall((process / "cgroup").read_text())[-1:])
        except OSError:
            continue  # it has ended
    return sorted(found)


def _is_older(package: str) -> bool:
    """Whether apt would install another version than the one that is there."""
    said = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False).stdout
    versions = dict(re.findall(r"^  (Installed|Candidate): (\S+)$", said, re.MULTILINE))
    return versions.get("Installed") != versions.get("Candidate")
