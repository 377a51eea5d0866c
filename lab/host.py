"""One host: its overlay, its first files, its process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from lab import cgroup, image, network, packages, power, state, volume
from lab.errors import LabError
from lab.shell import run
from lab.state import Lab, LabHost

# The lab's hosts must not touch what the kernel can't keep apart: modules, the clock, raw devices, audit rules.
# Everything else is theirs, as on a server (nspawn's own set lacks for example IPC_LOCK and BPF, which the
# sandboxing of services makes use of).
_DROPPED = "CAP_SYS_MODULE,CAP_SYS_TIME,CAP_SYS_RAWIO,CAP_AUDIT_CONTROL,CAP_AUDIT_READ"

# Timers of Debian that would otherwise run right after the first boot, hold dpkg's lock and disturb a measurement.
_STAMPED_TIMERS = ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim", "logrotate")


def directory(lab: Lab, host: LabHost) -> Path:
    return lab.directory / "hosts" / host.name


def _root(lab: Lab, host: LabHost) -> Path:
    return directory(lab, host) / "root"


def volume_image(lab: Lab, host: LabHost) -> Path:
    """The raw content of the host's data volume."""
    return directory(lab, host) / "volume.img"


def _unit(lab: Lab, host: LabHost) -> str:
    return f"xteam-lab-{lab.name}-{host.name}"


def prepare(lab: Lab, host: LabHost) -> None:
    """Make a bare host: an empty overlay over the image, with the few files that make it this host."""
    here = directory(lab, host)
    for name in ("upper", "work", "root"):
        (here / name).mkdir(parents=True, exist_ok=True)
    if not (here / "ssh_host_ed25519_key").exists():
        make_key(here / "ssh_host_ed25519_key", f"root@{host.name}")
    mount(lab, host)
    _seed(lab, host)


def mount(lab: Lab, host: LabHost) -> None:
    """Mount the host's overlay unless it is mounted."""
    root = _root(lab, host)
    if root.is_mount():
        return
    lower = f"{packages.root_of(lab.packages)}:{image.root_of(lab.image)}"
    here = directory(lab, host)
    if here.joinpath("work", "work", "incompat", "volatile").exists():
        raise LabError(f"lab {lab.name} did not outlive this machine's restart: `python -m lab down --name {lab.name}`")
    # volatile: fsync does nothing on the host. A kill loses no page of this machine's memory, so nothing that a lab
    # can show depends on it, and twelve databases on one disk don't wait for each other.
    options = f"lowerdir={lower},upperdir={here}/upper,workdir={here}/work,volatile"
    run(["mount", "-t", "overlay", "overlay", "-o", options, root])


def make_key(path: Path, comment: str) -> None:
    """Make an ed25519 key pair without passphrase."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])


def _seed(lab: Lab, host: LabHost) -> None:
    root, here = _root(lab, host), directory(lab, host)
    image.write(root / "etc/hostname", f"{host.name}\n")
    image.write(root / "etc/machine-id", f"{host.machine_id}\n", 0o444)
    image.write(root / "etc/hosts", _hosts_file(lab))
    image.write(root / "etc/resolv.conf", image.resolv_conf())
    subnet_gateway = network.gateway(lab.slot, host.region)
    image.write(
        root / "etc/systemd/network/10-lab.network",
        f"[Match]\nName=host0\n\n[Network]\nAddress={host.address}/24\nGateway={subnet_gateway}\n"
        "IPv6AcceptRA=no\nLinkLocalAddressing=no\n",
    )
    image.write(root / "etc/ssh/ssh_host_ed25519_key", (here / "ssh_host_ed25519_key").read_text(), 0o600)
    image.write(root / "etc/ssh/ssh_host_ed25519_key.pub", (here / "ssh_host_ed25519_key.pub").read_text())
    authorized = root / "home" / state.SSH_USER / ".ssh/authorized_keys"
    image.write(authorized, lab.key.with_suffix(".pub").read_text(), 0o600)
    owner = authorized.parent.stat()
    os.chown(authorized, owner.st_uid, owner.st_gid)
    for timer in _STAMPED_TIMERS:
        image.write(root / f"var/lib/systemd/timers/stamp-{timer}.timer", "")


def _hosts_file(lab: Lab) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{h.address} {h.name}.{state.DOMAIN} {h.name}" for h in lab.hosts]
    return "\n".join(lines) + "\n"


def boot(lab: Lab, host: LabHost) -> None:
    """Start the host's init in the background and plug in its network. Raises LabError when it ends at once."""
    mount(lab, host)
    volume.make(volume_image(lab, host))
    volume_root = directory(lab, host) / "volume"
    command = [
        *cgroup.prefix(_unit(lab, host)),
        *volume.mounted(volume_image(lab, host), volume_root),
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--settings=no",
        "--register=no",  # no machined where systemd is not this machine's init
        "--keep-unit",
        f"--directory={_root(lab, host)}",
        f"--bind={volume_root}:{volume.MOUNT_POINT}",
        _machine_option(lab, host),
        f"--hostname={host.name}",
        f"--network-veth-extra={host.interface}:host0",
        "--capability=all",
        f"--drop-capability={_DROPPED}",
        "--rlimit=RLIMIT_NOFILE=1024:524288",  # what Debian's kernel and systemd give, whatever started the lab
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
    ]
    # Debian 13's systemd expects control groups version 2, also where this machine mounts both versions.
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    words = power.watched(_machine_option(lab, host), lab.name, host.name, command)
    with (directory(lab, host) / "console.log").open("ab") as console:
        process = subprocess.Popen(
            words,
            executable="/bin/sh",
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment,
            start_new_session=True,
        )
    _plug(lab, host, process)


def _plug(lab: Lab, host: LabHost, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not network.exists(host.interface):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"{host.name} did not start: {console_tail(lab, host)}")
        time.sleep(0.05)
    network.plug(host.interface, network.bridge_name(lab.slot, host.region))


def console_tail(lab: Lab, host: LabHost) -> str:
    """The last words on the host's console, for error messages."""
    path = directory(lab, host) / "console.log"
    return path.read_text(errors="replace")[-1500:].strip() if path.exists() else "(no console output)"


def process_of(lab: Lab, host: LabHost) -> int | None:
    """Process id of the host's nspawn if the host is on.

    Found by its command line, not by a recorded number: that holds after any crash, and a number may be reused.
    """
    found = [pid for pid, words in _processes(lab, host) if not power.waits(words)]
    return found[0] if found else None


def is_on(lab: Lab, host: LabHost) -> bool:
    """Whether the host is on. One that reboots just now is, as soon as it has been started again."""
    deadline = time.monotonic() + 30
    while (processes := _processes(lab, host)) and all(power.waits(words) for _, words in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return bool(processes)


def _processes(lab: Lab, host: LabHost) -> list[tuple[int, list[bytes]]]:
    """(process id, words) of the host's nspawn, of what becomes it, and of what waits for it."""
    option, found = _machine_option(lab, host).encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_bytes().split(b"\0")
            runs = any(program.rpartition(b"/")[2] == b"systemd-nspawn" for program in words)
            if option in words and (runs or power.waits(words)):
                found.append((int(path.parent.name), words))
    return found


def _machine_option(lab: Lab, host: LabHost) -> str:
    return f"--machine={lab.name}-{host.name}"


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(lab: Lab, host: LabHost) -> None:
    """Power loss: SIGKILL to the host's init, which takes all its processes along without a word to anybody."""
    # First what would start it again.
    while waiting := [one for one, words in _processes(lab, host) if power.waits(words)]:
        for one in waiting:
            _signal(one, signal.SIGKILL)
        time.sleep(0.01)
    pid = process_of(lab, host)
    if pid is not None:
        for init in _children(pid):
            _signal(init, signal.SIGKILL)
        if not _ends_within(lab, host, 10):
            _signal(pid, signal.SIGKILL)
            if not _ends_within(lab, host, 5):
                raise LabError(f"{host.name} (process {pid}) can't be killed: its files are left alone")
    forget_traces(lab, host)


def forget_traces(lab: Lab, host: LabHost) -> None:
    """Remove what a host that is off has left on this machine. Raises LabError when something still uses its volume."""
    run(["ip", "link", "delete", host.interface], check=False)
    cgroup.remove(_unit(lab, host))
    # The kernel forgets the volume's keys only with its last mount.
    volume.wait_until_free(volume_image(lab, host))


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _ends_within(lab: Lab, host: LabHost, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process_of(lab, host) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wipe(lab: Lab, host: LabHost) -> None:
    """Forget everything the host ever wrote; its identity (keys, machine-id, address) stays."""
    unmount(lab, host)
    here = directory(lab, host)
    packages.harvest(here / "upper")
    for name in ("upper", "work"):
        shutil.rmtree(here / name, ignore_errors=True)
    volume_image(lab, host).unlink(missing_ok=True)
    prepare(lab, host)


def unmount(lab: Lab, host: LabHost) -> None:
    """Unmount the host's overlay if it is mounted, waiting a little for its last user."""
    root = _root(lab, host)
    for attempt in range(30):
        if not root.is_mount():
            return
        run(["umount", *(["--lazy"] if attempt == 29 else []), root], check=False)
        time.sleep(0 if not root.is_mount() else 0.1)


def wait_for_ssh(host: LabHost, deadline: float, given_up: threading.Event) -> None:
    """Wait until sshd greets.

    Raises LabError when `deadline` (time.monotonic) passes or when somebody sets `given_up`.
    """
    while time.monotonic() < deadline and not given_up.is_set():
        with suppress(OSError), socket.create_connection((host.address, 22), timeout=2) as connection:
            connection.settimeout(5)
            if connection.recv(4) == b"SSH-":
                return
        given_up.wait(0.2)
    raise LabError(f"{host.name} ({host.address}) did not answer on SSH in time")
