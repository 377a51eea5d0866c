"""Whole labs: bring one up, take one down, say how it is."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab import error_tracker, image, machine, network, object_storage, packages, state
from lab import host as hosts
from lab.errors import LabError
from lab.shell import run, step
from lab.state import Lab, LabHost
from lab.topology import HostSpec

_BOOT_SECONDS = 120  # per lab; 11 hosts on 2 busy cores were up in under 30


def up(name: str, topology: str, specs: tuple[HostSpec, ...]) -> Lab:
    """Boot a lab and return it when every host takes logins.

    Raises LabError when the machine or the request does not allow it. Whatever goes wrong, also Ctrl-C: nothing of
    the lab is left behind.
    """
    machine.require_root()
    machine.require_programs()
    _refuse_if_there(name)
    machine.require_memory(specs)
    base = image.ensure()
    layer = packages.ensure(base)
    lab = _claim(name, topology, specs, base, layer)
    try:
        _boot_all(lab, specs)
    except BaseException:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half a lab behind
        with step(f"take back lab {name}"):
            down(name)
        raise
    return lab


def _refuse_if_there(name: str) -> None:
    if name not in state.lab_names():
        return
    word = "is already up" if state.load(name).description.exists() else "is half-made"
    raise LabError(f"lab {name} {word}: `python -m lab down --name {name}` first, or choose another --name")


def _claim(name: str, topology: str, specs: tuple[HostSpec, ...], base: str, layer: str) -> Lab:
    """Write the lab's record: from here on `down` can remove it, whatever happens."""
    with state.lock("labs"):
        _refuse_if_there(name)
        slot = network.free_slot(state.load(other).slot for other in state.lab_names())
        lab = Lab(name=name, topology=topology, slot=slot, image=base, packages=layer)
        counts = dict.fromkeys((spec.region for spec in specs), network.FIRST_HOST)
        for number, spec in enumerate(specs, start=1):
            address = f"{network.subnet(slot, spec.region)}.{counts[spec.region]}"
            counts[spec.region] += 1
            interface = network.interface_name(slot, number)
            lab.hosts.append(LabHost(spec.name, spec.groups, spec.region, address, interface, uuid.uuid4().hex))
        lab.directory.mkdir(mode=0o700)
        lab.save()
        machine.raise_sysctls()
    return lab


def _boot_all(lab: Lab, specs: tuple[HostSpec, ...]) -> None:
    with step("make networks, keys and file systems"):
        regions = sorted({host.region for host in lab.hosts})
        network.create(lab.slot, regions)
        hosts.make_key(lab.key, f"lab {lab.name}")
        each(lab.hosts, lambda host: hosts.prepare(lab, host))
        _write_known_hosts(lab)
    with step(f"boot {len(specs)} host{'s' if len(specs) > 1 else ''}"):
        each(lab.hosts, lambda host: hosts.boot(lab, host))
        _start_servers(lab)
        wait_until_ready(lab, lab.hosts)
    _publish(lab)


def _publish(lab: Lab) -> None:
    servers = {"object_storage": object_storage.published(lab), "error_tracker": error_tracker.published(lab)}
    lab.publish(network.controller(lab.slot), **servers)


def _start_servers(lab: Lab) -> None:
    """Those of this machine that the lab has and that do not run."""
    object_storage.start(lab)
    error_tracker.start(lab)


def _stop_servers(name: str) -> None:
    for one in (object_storage.SERVER, error_tracker.SERVER):
        one.stop(name)


def wait_until_ready(lab: Lab, chosen: Sequence[LabHost]) -> None:
    """Wait until every host has taken a login with strict host key checking and sudo.

    Raises LabError when one does not in time.
    """
    deadline = time.monotonic() + _BOOT_SECONDS
    given_up = threading.Event()

    def ready(host: LabHost) -> None:
        hosts.wait_for_ssh(host, deadline, given_up)
        login = ssh_command(lab, host, ["sudo", "true"])
        done = subprocess.run(login, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise LabError(f"login on {host.name} failed: {done.stderr.strip()}\n{hosts.console_tail(lab, host)}")

    def ready_or_give_up(host: LabHost) -> None:
        try:
            ready(host)
        except BaseException:
            given_up.set()  # one host that fails is enough: the others need not wait for their deadline
            raise

    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        futures = [pool.submit(ready_or_give_up, host) for host in chosen]
        try:
            for future in futures:
                future.result()
        except BaseException:  # Ctrl-C reaches this thread only
            given_up.set()
            raise


def _write_known_hosts(lab: Lab) -> None:
    lines = []
    for host in lab.hosts:
        key = (hosts.directory(lab, host) / "ssh_host_ed25519_key.pub").read_text().split()
        lines.append(f"{host.address},{host.name},{host.name}.{state.DOMAIN} {key[0]} {key[1]}\n")
    image.write(lab.known_hosts, "".join(lines), 0o600)


def ssh_command(lab: Lab, host: LabHost, command: Sequence[str]) -> list[str]:
    """The ssh call that runs a command on a host as its ordinary user."""
    options = [f"UserKnownHostsFile={lab.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
    options += ["IdentitiesOnly=yes", "ConnectTimeout=10", "LogLevel=ERROR"]
    words = ["ssh", "-F", "none", "-i", str(lab.key)]
    for option in options:
        words += ["-o", option]
    return [*words, f"{state.SSH_USER}@{host.address}", *command]


def down(name: str) -> None:
    """Remove all of a lab: processes, mounts, networks, files. Does nothing when there is no such lab."""
    machine.require_root()
    if name in state.lab_names():
        lab = state.load(name)
        lab.description.unlink(missing_ok=True)
        each(lab.hosts, lambda host: _remove_host(lab, host))
        _stop_servers(name)
        network.destroy(lab.slot)
        _refuse_if_mounted(lab)
        shutil.rmtree(lab.directory)
    with state.lock("labs"):
        machine.restore_sysctls()
        packages.forget_unused()


def _remove_host(lab: Lab, host: LabHost) -> None:
    hosts.kill(lab, host)
    hosts.unmount(lab, host)
    packages.harvest(hosts.directory(lab, host) / "upper")
    # All hosts at once and by rm: a deployed host has some 15,000 files. Never into something still mounted.
    run(["rm", "-rf", "--one-file-system", hosts.directory(lab, host)])


def _refuse_if_mounted(lab: Lab) -> None:
    """Never delete below a mount point."""
    mounted = [line.split()[1] for line in run(["cat", "/proc/self/mounts"]).splitlines()]
    left = [where for where in mounted if where.startswith(f"{lab.directory}/")]
    if left:
        raise LabError(f"still mounted: {', '.join(left)}; end what uses it (`fuser -m`), then repeat the command")


def each(chosen: Sequence[LabHost], action: Callable[[LabHost], object]) -> None:
    """Do something to all hosts at once; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        for future in [pool.submit(action, host) for host in chosen]:
            future.result()


@contextmanager
def _unpublished(lab: Lab) -> Iterator[None]:
    """lab.json is absent while hosts are made anew, and back afterwards."""
    lab.description.unlink(missing_ok=True)
    yield
    _publish(lab)


def kill(lab: Lab, chosen: Sequence[LabHost]) -> None:
    """Take the power from hosts."""
    each(chosen, lambda host: hosts.kill(lab, host))


def start(lab: Lab, chosen: Sequence[LabHost]) -> None:
    """Give hosts power again and wait for their SSH; a host that is on stays as it is."""
    off = [host for host in chosen if not hosts.is_on(lab, host)]
    each(off, lambda host: hosts.boot(lab, host))
    _start_servers(lab)
    wait_until_ready(lab, [host for host in off if not host.cut])


def reset(lab: Lab, chosen: Sequence[LabHost]) -> None:
    """Turn hosts into the bare ones they were after `up`."""
    with _unpublished(lab):
        kill(lab, chosen)
        each(chosen, lambda host: hosts.wipe(lab, host))
        if len(chosen) == len(lab.hosts):
            _stop_servers(lab.name)
        start(lab, chosen)


def set_cut(lab: Lab, chosen: Sequence[LabHost], cut: bool) -> None:
    """Drop all traffic of hosts, or let it pass again. It stays so over `kill` and `start`."""
    for host in chosen:
        host.cut = cut
        (network.cut if cut else network.heal)(lab.slot, host.interface)
    lab.save()


def status(lab: Lab) -> list[dict[str, object]]:
    """One row per host: name, address, region, groups, state (on, cut, off) and resident memory in MiB."""
    rows: list[dict[str, object]] = []
    for host in lab.hosts:
        pid = hosts.process_of(lab, host)
        word = "off" if pid is None else "cut" if host.cut else "on"
        rows.append(
            {
                "name": host.name,
                "address": host.address,
                "region": host.region,
                "groups": list(host.groups),
                "state": word,
                "pid": pid,
            }
        )
    return rows
