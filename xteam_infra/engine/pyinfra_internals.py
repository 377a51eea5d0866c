"""What this project uses of pyinfra beyond what pyinfra documents. All of it stands here.

tests/unit/test_pyinfra_internals.py holds it against the installed pyinfra; docs/decisions/pyinfra-internals.md says
what is missing in pyinfra, and what was proposed to it.
"""

import inspect
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, cast

from pyinfra import state
from pyinfra.api import StringCommand
from pyinfra.api.arguments_typed import PyinfraOperation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State, StateOperationHostData, StateStage
from pyinfra.connectors.util import CommandOutput

from xteam_infra.engine.commands import Commands

KEEPALIVE_SECONDS = 30

Answer = tuple[bool, CommandOutput]
# Of an operation's commands.
CommandGenerator = Callable[[], Iterator[PyinfraCommand]]
P = ParamSpec("P")


# --- Operations


def commands_of(operation: PyinfraOperation[P], *arguments: P.args, **options: P.kwargs) -> Commands:
    """The commands of an operation, for another operation to hand on as its own."""
    yield from operation._inner(*arguments, **options)


def shows_diff() -> bool:
    """Whether an operation is to show what it changes: with --diff, and once, though it is looked at twice."""
    return state.config.DIFF and not (state.is_executing and state.should_check_for_changes())


def operation_names(run: State, op_hash: str) -> str:
    """The names of an operation, after those of the files that include one another."""
    return ", ".join(run.op_meta[op_hash].names)


def run_on(host: Host, command: StringCommand | str, show: bool = False) -> Answer:
    """Run a command on a host outside of any operation, or in a function that is one of its commands.

    show: what it says, while it says it. pyinfra does not hand on the host's sudo to such a command.
    """
    answer: Answer = host.run_shell_command(command, print_output=show, _sudo=bool(host.data.get("_sudo")))
    return answer


def run_with(host: Host, command: StringCommand | str, **options: Any) -> Answer:
    """The same with options of pyinfra's of one's own, such as _sudo and _timeout (seconds)."""
    answer: Answer = host.run_shell_command(command, **options)
    return answer


# --- A run, as it is carried out


def operations_of(run: State, host: Host) -> list[StateOperationHostData]:
    """The operations that a host has before it, the first one first."""
    return list(run.ops[host].values())


def wrap_commands(operation: StateOperationHostData, wrap: Callable[[CommandGenerator], CommandGenerator]) -> None:
    """Put what `wrap` makes of an operation's generator of commands in its place."""
    operation.command_generator = wrap(operation.command_generator)


def play(operation: StateOperationHostData) -> Generator[PyinfraCommand, None, None]:
    """The operation's commands, given one by one."""
    # pyinfra calls it an iterator; it is the function's own generator, which can be closed.
    return cast(Generator[PyinfraCommand, None, None], operation.command_generator())


def operation_at_work(host: Host) -> str | None:
    """Which operation the host is at; None between operations."""
    return host.current_op_hash


def redirect_commands(host: Host, ask: Callable[[Host, Callable[..., Answer], Any, dict[str, Any]], Answer]) -> None:
    """Have `ask` decide on every command of a host, facts' too. It gets a way to run one, the command, its options."""
    run = host.run_shell_command

    def run_shell_command(command: Any, **options: Any) -> Answer:
        return ask(host, run, command, options)

    host.run_shell_command = run_shell_command  # type: ignore[method-assign] # pyinfra has no other way


def run_at_once(host: Host, command: StringCommand, options: dict[str, Any]) -> Answer:
    """Run a command past what `redirect_commands` has put in its way."""
    return host.connector.run_shell_command(command, **options)


@contextmanager
def as_planned(run: State) -> Iterator[None]:
    """Within it operations believe that they are planned: nothing is stored, nothing is told."""
    before = (run.is_executing, run.current_stage, run.print_noop_info)
    run.is_executing, run.current_stage, run.print_noop_info = False, StateStage.Prepare, False
    try:
        yield
    finally:
        run.is_executing, run.current_stage, run.print_noop_info = before


def unreachable_hosts() -> list[str]:
    """Names of the hosts that can't be reached, when the run has ended because of them."""
    return sorted(one.name for one in state.failed_hosts) if state.current_stage == StateStage.Connect else []


def has_planned() -> bool:
    """Whether the run has come as far as looking at hosts."""
    return state.current_stage in (StateStage.Execute, StateStage.Disconnect, StateStage.Prepare)


# --- Connections


def log_in_anew(host: Host) -> None:
    """Connect to a host once more, beside the connection in use, and end that again. Raises whatever keeps it out."""
    connector = type(host.connector)(state, host)
    connector.connect()
    connector.disconnect()


def tune_connection(host: Host) -> None:
    """Spare 40 ms a command: paramiko leaves Nagle's algorithm on, which waits for the delayed ACK."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    if transport:
        transport.set_keepalive(KEEPALIVE_SECONDS)
        if isinstance(transport.sock, socket.socket):  # behind a jump host it is a channel
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# --- The controller


def tune_stack_lookup(files: Iterable[Path], root: Path) -> None:
    """Spare a quarter of the controller's time: pyinfra has inspect describe the stack at every operation, and inspect
    looks a deploy file up among all modules each time, for it is none of them."""
    for file in files:
        for name in (str(file), str(file.relative_to(root))):
            inspect.modulesbyfile.setdefault(name, "__main__")


TOLD: Sequence[str] = ("get_traceback", "get_exception")


def mask_tracebacks(mask: Callable[[str], str]) -> None:
    """Have `mask` see what pyinfra writes of an unexpected error into its own file, pyinfra-debug.log."""
    from pyinfra_cli.exceptions import UnexpectedMixin

    def masked(method: Callable[[Any], object]) -> Callable[[Any], str]:
        return lambda error: mask(str(method(error)))

    for name in TOLD:
        setattr(UnexpectedMixin, name, masked(getattr(UnexpectedMixin, name)))
