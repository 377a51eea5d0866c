"""Looks at hosts in few, large steps: all that a run's operations want to know first, in one command a host.

pyinfra asks for one fact after the other, each a command over SSH with its sudo and shell. A run that changes nothing
is nothing but such questions. So before the first operation is executed, every operation is played up to its first
change, as in a --dry run; what it asks meanwhile is collected and asked at once. An operation is given an answer once,
and none is given after the first change that any operation of the run makes: from then on every question goes to the
host.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gevent
from gevent.pool import Pool
from pyinfra import state
from pyinfra.api import StringCommand
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateOperationHostData
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host

from xteam_infra.engine.pyinfra_internals import (
    Answer,
    CommandGenerator,
    as_planned,
    operation_at_work,
    operations_of,
    play,
    redirect_commands,
    run_at_once,
    wrap_commands,
)

# An operation asks what depends on the answers before; those that ask more go on by themselves.
ROUNDS = 5
# Questions in a command, and commands of a host at the same time: one that waits must not hold up all others.
AT_ONCE = 8
LANES = 3


@dataclass(frozen=True)
class Question:
    """A command whose output is wanted, and how pyinfra was told to run it."""

    text: str
    how: str
    options: dict[str, Any] = field(compare=False, hash=False, repr=False)

    @classmethod
    def of(cls, command: object, options: dict[str, Any]) -> "Question":
        text = command.get_raw_value() if isinstance(command, StringCommand) else str(command)
        kept = {name: value for name, value in options.items() if not name.startswith("print_")}
        return cls(text, repr(sorted(kept.items())), kept)


class NotYet(BaseException):
    """An answer is missing. Not an Exception: no operation may take it for a failure of its own."""


class Alone(NotYet):
    """What is asked with a secret on standard input is asked by itself."""


class FactBatching(BaseStateCallback):
    """Registered once a run, by `batch_facts`."""

    def __init__(self) -> None:
        self._looked = False
        self._collecting = False  # questions, instead of answering them
        self._wanted: dict[str, dict[Question, None]] = {}
        self._answers: dict[str, dict[Question, Answer]] = {}
        # An operation that asks again (and waits for another answer) is to get one.
        self._used: set[tuple[str, str | None, Question]] = set()

    def operation_start(self, run: State, op_hash: str) -> None:  # type: ignore[override] # pyinfra's is static
        """Before the first operation."""
        if not self._looked:
            self._looked = True
            self._look(run)

    def _look(self, run: State) -> None:
        hosts = list(run.inventory.get_active_hosts())
        left = {host: operations_of(run, host) for host in hosts}
        for host in hosts:
            redirect_commands(host, self._ask)
            for operation in left[host]:
                wrap_commands(operation, self._forgetful)
        for _ in range(ROUNDS):
            with as_planned(run):
                self._collecting = True
                left = {host: [one for one in left[host] if not self._is_answered(host, one)] for host in hosts}
                self._collecting = False
            wanted = {host: list(self._wanted.pop(host.name, {})) for host in hosts}
            gevent.joinall([gevent.spawn(self._learn, host, some) for host, some in wanted.items() if some])
            if not any(wanted.values()):
                break

    def _is_answered(self, host: Host, operation: StateOperationHostData) -> bool:
        """Play an operation up to its first change. False while it asks what is not known yet."""
        commands = play(operation)
        with ctx_host.use(host):
            try:
                next(commands, None)
            except Alone:
                return True
            except NotYet:
                return False
            except Exception:
                return True
            finally:
                commands.close()
        return True

    def _ask(self, host: Host, run: Callable[..., Answer], command: Any, options: dict[str, Any]) -> Answer:
        """In place of the host's run_shell_command."""
        question, known = Question.of(command, options), self._answers.get(host.name, {})
        if question.options.get("_stdin"):
            if not self._collecting:
                return run(command, **options)
            raise Alone
        if not self._collecting:
            once = (host.name, operation_at_work(host), question)
            if question not in known or once in self._used:
                return run(command, **options)
            self._used.add(once)
            return known[question]
        if question not in known:
            self._wanted.setdefault(host.name, {})[question] = None
            raise NotYet
        return known[question]

    def _forgetful(self, generator: CommandGenerator) -> CommandGenerator:
        """The operation's commands; what is known of hosts is forgotten before one of them is carried out."""

        def commands() -> Iterator[PyinfraCommand]:
            for command in generator():
                if not self._collecting:
                    self._answers.clear()
                yield command

        return commands

    def _learn(self, host: Host, questions: list[Question]) -> None:
        known = self._answers.setdefault(host.name, {})
        alike: dict[str, list[Question]] = {}
        for question in questions:
            alike.setdefault(question.how, []).append(question)
        some = [one[first : first + AT_ONCE] for one in alike.values() for first in range(0, len(one), AT_ONCE)]
        for found in Pool(LANES).imap_unordered(partial(_ask_at_once, host), some):
            known.update(found)


def batch_facts() -> None:
    """Have this run look ahead: for one that seldom changes anything. Called for every host, registered once."""
    if not any(isinstance(one, FactBatching) for one in state.callback_handlers):
        state.add_callback_handler(FactBatching())


def _ask_at_once(host: Host, questions: list[Question]) -> dict[Question, Answer]:
    """Those that succeeded. What failed is asked again by whoever wants to know, and told then."""
    mark = secrets.token_hex(8)
    script = "".join(
        f"(\n{question.text}\n) </dev/null 2>/dev/null\nprintf '\\n{mark} {number} %s\\n' $?\n"
        for number, question in enumerate(questions)
    )
    options = {**questions[0].options, "_stdin": script}
    shell = options.get("_shell_executable") or "sh"
    with ctx_host.use(host):
        _, output = run_at_once(host, StringCommand(shell), options)
    found, lines = {}, []
    for line in output.stdout_lines:
        if not line.startswith(f"{mark} "):
            lines.append(line)
            continue
        _, number, status = line.split()
        if lines and not lines[-1]:  # that of printf
            lines.pop()
        if status == "0":
            found[questions[int(number)]] = (True, CommandOutput([OutputLine("stdout", text) for text in lines]))
        lines = []
    return found
