"""The lab itself: power, cables, reset, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import state
from tests.e2e.conftest import PREFIX, lab_of
from tests.e2e.lab_session import INVENTORY, LabSession


@pytest.fixture(scope="module")
def pair(say: Callable[[str], None]) -> Iterator[LabSession]:
    """Two bare hosts in two regions."""
    with lab_of(say, "pair", "--hosts", "left1=app@a right1=redis@b") as session:
        yield session


def reaches(session: LabSession, origin: str, name: str) -> bool:
    return "yes" in session.on(origin, f"ping -c3 -W2 {name} >/dev/null && echo yes || echo no")


def test_hosts_are_healthy_and_know_each_other(pair: LabSession) -> None:
    for host in pair.hosts:
        assert pair.on(host, "systemctl is-system-running --wait || true").strip() == "running"
    assert reaches(pair, "left1", "right1")
    assert pair.on("left1", "cat /etc/machine-id") != pair.on("right1", "cat /etc/machine-id")


def test_sandboxed_services_start(pair: LabSession) -> None:
    properties = (
        "DynamicUser=yes ProtectSystem=strict PrivateUsers=yes PrivateDevices=yes ProtectKernelTunables=yes "
        "ProtectControlGroups=yes ProtectProc=invisible MemoryDenyWriteExecute=yes NoNewPrivileges=yes "
        "SystemCallFilter=@system-service LoadCredential=note:/etc/hostname"
    )
    flags = " ".join(f"-p {word}" for word in properties.split())
    script = f"systemd-run --wait --pipe --quiet {flags} sh -c 'cat $CREDENTIALS_DIRECTORY/note'"
    assert pair.on("left1", script).strip() == "left1"


def test_hosts_reach_the_package_registry(pair: LabSession) -> None:
    assert "Err:" not in pair.on("right1", "apt-get update 2>&1")


def test_cut_host_is_silent_until_healed(pair: LabSession) -> None:
    pair.lab_command("cut", "right1")
    assert not reaches(pair, "left1", "right1")
    pair.lab_command("heal", "right1")
    assert reaches(pair, "left1", "right1")


def test_killed_host_keeps_its_disk_and_pyinfra_notices(pair: LabSession) -> None:
    pair.on("right1", "echo kept > /root/note")
    pair.lab_command("kill", "right1")
    unreachable = pair.pyinfra("unreachable", "-y", INVENTORY, "exec", "--", "true")
    assert unreachable.returncode != 0
    pair.lab_command("start")
    assert pair.on("right1", "cat /root/note").strip() == "kept"


def test_a_host_that_reboots_starts_again_and_one_that_powers_off_does_not(pair: LabSession) -> None:
    before = boot_of(pair, "left1")
    pair.on("left1", "systemctl --no-block reboot")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and boot_of(pair, "left1") in ("", before):
        time.sleep(0.2)
    assert boot_of(pair, "left1") not in ("", before), "it did not start again"
    assert reaches(pair, "right1", "left1")
    pair.on("left1", "systemctl --no-block poweroff")
    while time.monotonic() < deadline and boot_of(pair, "left1"):
        time.sleep(0.2)
    assert not boot_of(pair, "left1"), "it is on again"
    pair.lab_command("start")
    assert boot_of(pair, "left1")


def boot_of(session: LabSession, host: str) -> str:
    """The identity of the host's boot; nothing while it can't be reached."""
    try:
        return session.on(host, "cat /proc/sys/kernel/random/boot_id").strip()
    except subprocess.CalledProcessError:
        return ""


def test_data_volume_can_be_encrypted_and_searched_from_outside(pair: LabSession) -> None:
    """It is a disk of its own: kept over a power loss, bare after a reset, its raw bytes readable here."""
    pair.on("right1", "echo a-note-on-the-volume > /srv/data/note; sync -f /srv/data")
    pair.lab_command("kill", "right1")
    assert b"a-note-on-the-volume" in volume_of(pair, "right1")
    assert not loops(f"/{pair.lab}/hosts/right1/"), "the kernel still has the volume: its keys outlive a power loss"
    pair.lab_command("start")
    assert pair.on("right1", "cat /srv/data/note").strip() == "a-note-on-the-volume"
    assert pair.on("right1", "stat -f -c %T /srv/data").strip() == "ext2/ext3"
    pair.lab_command("reset", "right1")
    assert pair.on("right1", "ls -A /srv/data").strip() == "lost+found"


def volume_of(session: LabSession, host: str) -> bytes:
    """What stands at the volume's beginning, before the many zeros."""
    with (state.STATE / session.lab / "hosts" / host / "volume.img").open("rb") as file:
        return file.read(512 * 2**20)


def test_reset_host_is_bare_again_with_the_same_identity(pair: LabSession) -> None:
    machine_id = pair.on("right1", "cat /etc/machine-id; echo x > /root/note")
    pair.lab_command("reset", "right1")
    assert pair.on("right1", "ls -A /root | grep -c note || true").strip() == "0"
    assert pair.on("right1", "cat /etc/machine-id") == machine_id


def test_second_up_is_refused(pair: LabSession) -> None:
    again = pair.lab_command("up")
    assert again.returncode == 1
    assert "already up" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_up_leaves_nothing(number: signal.Signals, pair: LabSession) -> None:
    name = f"{PREFIX}-cut-short"
    command = [sys.executable, "-m", "lab"]
    # Its own session: the signal must not reach the tests.
    process = subprocess.Popen([*command, "up", "--name", name, "--hosts", "one=app two=app"], start_new_session=True)
    deadline = time.monotonic() + 300
    while not _booting(name) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(120) != 0
    if number == signal.SIGKILL:
        assert subprocess.run([*command, "down", "--name", name], check=False).returncode == 0
    assert traces(name) == []


def _booting(name: str) -> bool:
    return name in state.lab_names() and "console.log" in str([*(state.STATE / name).glob("hosts/*/console.log")])


def traces(name: str) -> list[str]:
    """Whatever a lab leaves on the machine: its directory, mounts, loop devices, processes, control groups."""
    found = [str(path) for path in (state.STATE / name,) if path.exists()]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"/xteam-lab/{name}/" in line]
    found += loops(f"/xteam-lab/{name}/")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [word.decode() for word in words if word.startswith(f"--machine={name}-".encode())]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/xteam-lab/xteam-lab-{name}-*")]
    return found


def loops(part: str) -> list[str]:
    """The files behind loop devices, of those that have `part` in their path."""
    files = [path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [file for file in files if part in file]
