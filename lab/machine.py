"""What the lab needs of this machine, and the kernel settings it changes for as long as a lab is up."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from lab import state
from lab.errors import LabError
from lab.topology import HostSpec

# program -> Debian package
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "mkfs.ext4": "e2fsprogs",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "ssh": "openssh-client",
    "sysctl": "procps",
    "unshare": "util-linux",
}

# ip_forward: the controller routes between regions and to the package registry.
# max_user_instances: all hosts share root's inotify instances, each systemd takes about 8; with the kernel's
# default of 128, logins hang from about the 16th host on.
SYSCTLS = {"net.ipv4.ip_forward": 1, "fs.inotify.max_user_instances": 1024}

_SAVED = state.STATE / "machine.json"
_SPARE_MEMORY = 512  # MiB left to the controller, which runs the deploys and the tests


def require_root() -> None:
    """Raise LabError unless run as root."""
    if os.geteuid() != 0:
        raise LabError("the lab boots hosts and makes networks: run it as root (sudo python3 -m lab ...)")


def require_programs() -> None:
    """Raise LabError naming the missing programs and the command that installs them."""
    # Debian keeps some of them in /usr/sbin, which a plain `su` leaves out of PATH.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if missing:
        packages = " ".join(sorted({PROGRAMS[program] for program in missing}))
        raise LabError(f"missing {', '.join(missing)}: apt-get install --no-install-recommends {packages}")


def require_memory(hosts: tuple[HostSpec, ...]) -> None:
    """Raise LabError when the hosts' services would not fit into the memory that is free now."""
    needed = sum(host.memory for host in hosts) + _SPARE_MEMORY
    available = available_memory()
    if available < needed:
        raise LabError(
            f"{len(hosts)} hosts need about {needed} MiB of memory, {available} MiB are available: "
            "take the solo topology, name fewer hosts with --hosts, or take another lab down"
        )


def available_memory() -> int:
    """Memory in MiB that can be used without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise LabError("/proc/meminfo has no MemAvailable: this kernel is too old for the lab")


def raise_sysctls() -> None:
    """Set the kernel settings of the lab, remembering what the first lab found. Call under the lock."""
    if not _SAVED.exists():
        state.write_json(_SAVED, {key: _sysctl(key).read_text().strip() for key in SYSCTLS})
    for key, wanted in SYSCTLS.items():
        if int(_sysctl(key).read_text()) < wanted:
            _sysctl(key).write_text(str(wanted))


def restore_sysctls() -> None:
    """Put the settings back when no lab is left. Call under the lock."""
    if state.lab_names() or not _SAVED.exists():
        return
    for key, value in json.loads(_SAVED.read_text()).items():
        if _sysctl(key).read_text().strip() != value:
            _sysctl(key).write_text(value)
    _SAVED.unlink()


def _sysctl(key: str) -> Path:
    return Path("/proc/sys", *key.split("."))
