"""The `host` that checks work with: a testinfra host over a root shell, which records what it sees."""

import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from checklist.evidence import Evidence, Recorder
from checklist.inventory import Machine
from checklist.readonly import only_reads
from checklist.shell import COMMAND_SECONDS, Answer, Shell


class Memo:
    """Answers of commands that only look, of all machines, until something is done that may change any of them."""

    def __init__(self) -> None:
        # {(host, command): (the checks that have it, the answer)}
        self._answers: dict[tuple[str, str], tuple[set[str], Answer]] = {}

    def get(self, check: str, host: str, command: str) -> Answer | None:
        """The answer another check got. A check that repeats its own question waits for a change: ask again."""
        askers, answer = self._answers.get((host, command), ({check}, None))
        if check in askers:
            return None
        askers.add(check)
        return answer

    def put(self, check: str, host: str, command: str, answer: Answer) -> None:
        self._answers[host, command] = ({check}, answer)

    def forget(self) -> None:
        """Something may have changed somewhere."""
        self._answers.clear()


class RootBackend(BaseBackend):  # type: ignore[misc] # testinfra has no types
    """testinfra's way to the machine."""

    NAME = "root-shell"

    def __init__(self, machine: Machine, recorder: Recorder, memo: Memo):
        super().__init__(machine.name)
        self._encoding = "utf-8"
        self.machine, self._recorder, self._memo = machine, recorder, memo
        self.shell = Shell(machine)

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        command = self.quote(command, *args)
        started = time.monotonic()
        reads = only_reads(command)
        known = self._memo.get(self._recorder.check, self.hostname, command) if reads else None
        answer = known or self.shell.run(command, kwargs.get("timeout", COMMAND_SECONDS))
        if not reads:
            self._memo.forget()
        elif known is None:
            self._memo.put(self._recorder.check, self.hostname, command, answer)
        return self._seen(command, answer, started, repeated=known is not None)

    def run_with_stdin(self, command: str, stdin: str, timeout: float) -> CommandResult:
        started = time.monotonic()
        self._memo.forget()
        return self._seen(command, self.shell.run_with_stdin(command, stdin, timeout), started)

    def _seen(self, command: str, answer: Answer, started: float, repeated: bool = False) -> CommandResult:
        stdout = answer.stdout.decode("utf-8", errors="replace")
        stderr = answer.stderr.decode("utf-8", errors="replace")
        ms = (time.monotonic() - started) * 1000
        self._recorder.record(Evidence(self.hostname, command, answer.rc, stdout, stderr, ms, repeated))
        return self.result(answer.rc, self.encode(command), answer.stdout, answer.stderr)


class CheckedHost(Host):  # type: ignore[misc] # testinfra has no types
    """A testinfra host (`host.service("x").is_running`, `host.file`, `host.run` ...) seen as root.

    `host.machine` holds name, address, region and groups.
    """

    def __init__(self, backend: RootBackend):
        super().__init__(backend)
        backend.set_host(self)
        self.machine = backend.machine
        self.name, self.address = backend.machine.name, backend.machine.address

    def run_with_stdin(self, command: str, stdin: str, timeout: float = COMMAND_SECONDS) -> CommandResult:
        """Run a shell command that reads `stdin`: the way for passwords. timeout: seconds."""
        return self.backend.run_with_stdin(command, stdin, timeout)

    def json(self, command: str, *args: str) -> Any:
        """What a command prints as JSON. An exit status other than 0 fails the check."""
        return json.loads(self.check_output(command, *args))

    def reconnect(self) -> None:
        """Drop the connection, after the machine was killed or cut off and is back."""
        self.backend.shell.close()


class Hosts:
    """All machines of the inventory: `hosts["db1"]`, `hosts.group("redis")`."""

    def __init__(self, machines: tuple[Machine, ...], recorder: Recorder):
        self.machines, self.memo, self._recorder = machines, Memo(), recorder
        self._hosts: dict[str, CheckedHost] = {}

    def __getitem__(self, name: str) -> CheckedHost:
        if name not in self._hosts:
            machine = next((m for m in self.machines if m.name == name), None)
            if machine is None:
                raise KeyError(f"no host {name!r} in the inventory; known: {[m.name for m in self.machines]}")
            self._hosts[name] = CheckedHost(RootBackend(machine, self._recorder, self.memo))
        return self._hosts[name]

    def __iter__(self) -> Iterator[CheckedHost]:
        return (self[machine.name] for machine in self.machines)

    def group(self, name: str) -> list[CheckedHost]:
        """The group's hosts in the order of the inventory."""
        return [self[machine.name] for machine in self.machines if name in machine.groups]

    def at_once(self, hosts: Iterable[CheckedHost], command: str) -> dict[CheckedHost, CommandResult]:
        """Run a command on several hosts at the same time: the way to wait for all of them, but once."""
        asked = list(hosts)
        if not asked:
            return {}
        with ThreadPoolExecutor(len(asked)) as threads:
            return dict(zip(asked, threads.map(lambda host: host.run(command), asked), strict=True))

    def close(self) -> None:
        for host in self._hosts.values():
            host.reconnect()
