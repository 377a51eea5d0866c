"""Faults: hosts lose their power or their network, services freeze. Whatever was done is undone at the end."""

import time
from collections.abc import Callable
from functools import partial

from checklist.hosts import Hosts
from checklist.run import not_applicable
from lab import lifecycle, state
from lab.errors import LabError


class Faults:
    """Faults on the hosts of one inventory. Power and cables are within reach in a lab only."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self._undo: dict[str, Callable[[], None]] = {}
        self._lab: state.Lab | None = None

    @property
    def lab(self) -> state.Lab:
        """The lab behind the inventory. Skips the test, saying so, when its hosts are not a lab's."""
        if self._lab is None:
            try:
                found = state.load(state.default_name())
            except LabError as error:
                not_applicable(f"power and cables can be pulled in a lab only: {error}")
            addresses = {host.name: host.address for host in found.hosts}
            if any(addresses.get(machine.name) != machine.ssh_hostname for machine in self.hosts.machines):
                not_applicable(
                    f"power and cables can be pulled in a lab only; these hosts are not those of lab {found.name}"
                )
            self._lab = found
        return self._lab

    # --- hosts

    def kill(self, *names: str) -> float:
        """Power loss. Returns the moment."""
        chosen = [self.lab.host(name) for name in names]
        for name in names:
            self._undo[f"power {name}"] = partial(self.start, name)
        moment = time.time()
        lifecycle.kill(self.lab, chosen)
        self._disconnect(names)
        return moment

    def start(self, *names: str) -> None:
        """Power on, on the same disk; returns when the hosts take logins."""
        lifecycle.start(self.lab, [self.lab.host(name) for name in names])
        self._done("power", names)

    def replace(self, *names: str) -> None:
        """The hosts burn down: new bare ones with their names and addresses."""
        lifecycle.reset(self.lab, [self.lab.host(name) for name in names])
        self._done("power", names)

    def cut(self, *names: str) -> float:
        """No frame passes any more, in or out. Returns the moment."""
        for name in names:
            self._undo[f"cable {name}"] = partial(self.heal, name)
        moment = time.time()
        lifecycle.set_cut(self.lab, [self.lab.host(name) for name in names], cut=True)
        self._disconnect(names)
        return moment

    def heal(self, *names: str) -> None:
        """Frames pass again."""
        lifecycle.set_cut(self.lab, [self.lab.host(name) for name in names], cut=False)
        self._done("cable", names)

    def fill(self, name: str, directory: str, owner: str) -> None:
        """No room is left for the owner of this directory. Its file system must be the host's own: a lab's volume."""
        host, filler = self.hosts[self.lab.host(name).name], f"{directory}/xteam-drill-full"
        kind = host.check_output(f"findmnt -no FSTYPE -T {directory}").strip()
        if kind == "overlay":
            not_applicable(f"{directory} on {name} has no volume of its own: this machine's disk would be filled")
        self._undo[f"fill {name}"] = lambda: self.empty(name, directory)
        room = f"$(df --output=avail -B1 {directory} | tail -1)"
        host.run(f"cd / && runuser -u {owner} -- fallocate -l {room} {filler}")  # ends with an error, at the last byte

    def empty(self, name: str, directory: str) -> None:
        """There is room again."""
        self.hosts[name].check_output(f"rm -f {directory}/xteam-drill-full")
        self._undo.pop(f"fill {name}", None)

    # --- services: on any inventory

    def freeze(self, name: str, unit: str) -> None:
        """The unit's processes stand still, as if their host had gone."""
        self._undo[f"thaw {name} {unit}"] = lambda: self.thaw(name, unit)
        self.hosts[name].check_output(f"systemctl kill --signal STOP --kill-whom all {unit}")

    def thaw(self, name: str, unit: str) -> None:
        """They go on."""
        self.hosts[name].check_output(f"systemctl kill --signal CONT --kill-whom all {unit}")
        self._undo.pop(f"thaw {name} {unit}", None)

    def hold(self, name: str, pid: int) -> Callable[[], None]:
        """One process stands still. Returns what lets it go on."""
        key = f"let go {name} {pid}"

        def let_go() -> None:
            # It may have been ended meanwhile.
            self.hosts[name].run(f"kill -CONT {pid}")
            self._undo.pop(key, None)

        self._undo[key] = let_go
        self.hosts[name].check_output(f"kill -STOP {pid}")
        return let_go

    def stop(self, name: str, unit: str) -> None:
        """The unit ends in order."""
        self._undo[f"start {name} {unit}"] = lambda: self.start_unit(name, unit)
        self.hosts[name].check_output(f"systemctl stop {unit}")

    def start_unit(self, name: str, unit: str) -> None:
        """It runs again."""
        self.hosts[name].check_output(f"systemctl start {unit}")
        self._undo.pop(f"start {name} {unit}", None)

    def crash(self, name: str, unit: str) -> None:
        """SIGKILL to all its processes; systemd may start it again."""
        self.hosts[name].check_output(f"systemctl kill --signal KILL --kill-whom all {unit}")

    def undo(self) -> None:
        """Power, cables and services as they were; later faults first."""
        while self._undo:
            name = list(self._undo)[-1]
            self._undo[name]()
            self._undo.pop(name, None)

    def _done(self, what: str, names: tuple[str, ...]) -> None:
        self._disconnect(names)
        for name in names:
            self._undo.pop(f"{what} {name}", None)

    def _disconnect(self, names: tuple[str, ...]) -> None:
        self.hosts.memo.forget()
        for name in names:
            self.hosts[name].reconnect()
