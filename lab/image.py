"""The base image: a bare Debian 13 server, made once and shared by all hosts as a read-only layer."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from pathlib import Path

from lab import aptconf, state
from lab.shell import run, step

# What Debian's installer leaves on a server, less what a container can't use (kernel, udev, boot loader).
# libpam-systemd is left out on purpose: a login is then ~100 ms faster and a shutdown doesn't wait for user sessions.
PACKAGES = [
    "apt-utils",
    "ca-certificates",
    "dbus",
    "init",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "linux-sysctl-defaults",
    "nano",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "tzdata",
]

_RECIPE = 4  # raise it when the code below changes what is in the image


def key() -> str:
    """Name of the image: a digest of everything it is made from."""
    recipe = {
        "recipe": _RECIPE,
        "packages": PACKAGES,
        "sources": aptconf.sources(),
        "settings": aptconf.settings(),
        "certificates": [path.read_text() for path in aptconf.certificates()],
        "machine": platform.machine(),
    }
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def root_of(image: str) -> Path:
    """Directory of an image's files."""
    return state.CACHE / "images" / image / "root"


def ensure() -> str:
    """Return the image's key, making the image first unless it is in the cache."""
    image = key()
    with state.lock("image", state.CACHE):
        if root_of(image).exists():
            os.utime(root_of(image).parent)
            return image
        with step("build the Debian 13 base image (once per recipe)"):
            _build(root_of(image))
    return image


def _build(root: Path) -> None:
    making = root.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    settings = [f"--aptopt={line}" for line in aptconf.settings()]
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            *settings,
            # Hosts of a lab are thrown away: without fsync per file, dpkg is about three times as fast.
            "--dpkgopt=force-unsafe-io",
            aptconf.SUITE,
            making,
            *aptconf.sources(),
        ]
    )
    _customise(making)
    making.rename(root)


def _customise(root: Path) -> None:
    """Turn a fresh Debian tree into one that can be booted as many different hosts."""
    for path in aptconf.certificates():
        shutil.copy(path, root / "usr/local/share/ca-certificates" / path.name)
    for path in aptconf.files():
        copy = root / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    chroot(root, "update-ca-certificates")
    chroot(root, "useradd", "--create-home", "--shell", "/bin/bash", state.SSH_USER)
    ssh = root / "home" / state.SSH_USER / ".ssh"
    ssh.mkdir(mode=0o700)
    chroot(root, "chown", f"{state.SSH_USER}:", f"/home/{state.SSH_USER}/.ssh")
    write(root / "etc/sudoers.d/lab", f"{state.SSH_USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    for stale in (root / "etc/ssh").glob("ssh_host_*"):
        stale.unlink()
    # Addresses are given per host by systemd-networkd; its wait for the network is what network-online.target means.
    chroot(root, "systemctl", "enable", "systemd-networkd.service", "systemd-networkd-wait-online.service")
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (root / name).unlink(missing_ok=True)


def chroot(root: Path, *command: str) -> None:
    """Run a program of the image inside the image. Raises LabError when it fails."""
    run(["chroot", root, *command])


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file with its final mode from the start, making its directory if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)


def resolv_conf() -> str:
    """Name servers of this machine, as a host can reach them.

    A stub on loopback (systemd-resolved) is not reachable from a host: then its upstream servers are taken.
    """
    text = Path("/etc/resolv.conf").read_text()
    upstream = Path("/run/systemd/resolve/resolv.conf")
    if any(line.startswith("nameserver 127.") for line in text.splitlines()) and upstream.exists():
        text = upstream.read_text()
    return text
