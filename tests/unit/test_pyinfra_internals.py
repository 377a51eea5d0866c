"""The installed pyinfra still works as xteam_infra/engine/pyinfra_internals.py takes it to. On its real State and Host.

A red test here after an update of pyinfra: adapt that module, and look at docs/decisions/pyinfra-internals.md.
"""

import inspect
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import PROJECT, _using
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.context import ctx_state

from xteam_infra.engine import pyinfra_internals as internals
from xteam_infra.engine.fact_batching import FactBatching
from xteam_infra.engine.facts.shell_condition import ShellCondition


@contextmanager
def relied_on(what):
    """Everything that fails within it says what of pyinfra has changed."""
    try:
        yield
    except Exception as error:
        pytest.fail(
            f"pyinfra has changed: {what}. Adapt xteam_infra/engine/pyinfra_internals.py ({error!r})", pytrace=False
        )


@operation()
def touch(path: str):
    """Make a file that is not there."""
    from pyinfra import host

    if not host.get_fact(ShellCondition, check=f"test -e {path}"):
        yield StringCommand(f"touch {path}")


@operation()
def called(function):
    """Call a function as a command."""
    yield FunctionCommand(function, (), {})


@pytest.fixture
def run(local_host):
    """A run on this machine that is planned; nothing was carried out yet."""
    state = local_host.state
    state.current_stage = StateStage.Prepare
    return state


def carry_out(run):
    run.current_stage, run.is_executing = StateStage.Execute, True
    run_ops(run)


def test_commands_of_an_operation_can_be_handed_on(local_host, tmp_path):
    with relied_on("an operation has its generator as _inner"):
        (command,) = internals.commands_of(touch, f"{tmp_path}/x")
        assert command.get_raw_value() == f"touch {tmp_path}/x"


def test_operations_of_a_host_are_kept_in_order_with_their_generators(run, local_host, tmp_path):
    with relied_on("state.ops has each host's operations in order, and each has a command_generator"):
        for name in "ab":
            add_op(run, touch, f"{tmp_path}/{name}", name=f"Make {name}")
        played = [
            [one.get_raw_value() for one in internals.play(each)] for each in internals.operations_of(run, local_host)
        ]
        assert played == [[f"touch {tmp_path}/a"], [f"touch {tmp_path}/b"]]


def test_wrapped_generator_is_the_one_that_is_carried_out(run, local_host, tmp_path):
    with relied_on("the command_generator of an operation is looked up when it is its turn"):
        add_op(run, touch, f"{tmp_path}/a", name="Make a")
        (one,) = internals.operations_of(run, local_host)
        internals.wrap_commands(
            one, lambda commands: lambda: (StringCommand(f"{c.get_raw_value()}-wrapped") for c in commands())
        )
        carry_out(run)
        assert [path.name for path in tmp_path.iterdir()] == ["a-wrapped"]


def test_every_command_and_fact_goes_through_the_host(run, local_host, tmp_path):
    seen = []

    def ask(host, run_it, command, options):
        text = command if isinstance(command, str) else command.get_raw_value()
        seen.append((internals.operation_at_work(host) is not None, text.split()[0], "_sudo" in options))
        return run_it(command, **options)

    with relied_on("host.run_shell_command runs facts and commands, with their options, while current_op_hash is set"):
        internals.redirect_commands(local_host, ask)
        add_op(run, touch, f"{tmp_path}/a", name="Make a")
        carry_out(run)
        assert (True, "if", True) in seen, seen
        assert any(first == "touch" for _, first, _ in seen), seen


def test_command_can_be_run_past_the_host(local_host):
    with relied_on("host.connector.run_shell_command runs a command"):
        internals.redirect_commands(local_host, lambda *_: pytest.fail("it was asked"))
        done, said = internals.run_at_once(local_host, StringCommand("echo there"), {})
        assert done and said.stdout_lines == ["there"]


def test_standard_input_reaches_a_command(local_host):
    with relied_on("_stdin is a command's standard input"):
        done, said = internals.run_at_once(local_host, StringCommand("cat"), {"_stdin": "a secret"})
        assert done and said.stdout_lines == ["a secret"]


def test_callbacks_are_told_of_operations(run, local_host, tmp_path):
    told = []

    class Told(BaseStateCallback):
        def operation_start(self, state, op_hash):
            told.append(("start", internals.operation_names(state, op_hash)))

        def operation_host_success(self, state, host, op_hash, retry_count=0):
            told.append(("success", internals.operation_names(state, op_hash)))

        def operation_host_error(self, state, host, op_hash, retry_count=0, max_retries=0):
            told.append(("error", internals.operation_names(state, op_hash)))

    with relied_on("an object may be a callback handler, and is told of the start, success and error of operations"):
        run.add_callback_handler(Told())
        add_op(run, touch, f"{tmp_path}/a", name="Make a")
        add_op(run, touch, f"{tmp_path}/no/such", name="Make b")
        with pytest.raises(Exception, match="No hosts remaining"):
            carry_out(run)
        assert told == [("start", "Make a"), ("success", "Make a"), ("start", "Make b"), ("error", "Make b")]


def test_run_that_changes_nothing_asks_in_one_command(run, local_host, tmp_path):
    """What the project has of it all: xteam_infra/engine/fact_batching.py on a real run."""
    for name in "abc":
        (tmp_path / name).touch()
        add_op(run, touch, f"{tmp_path}/{name}", name=f"Make {name}")
    with relied_on("operations can be played ahead, and their questions answered from what was asked at once"):
        run.add_callback_handler(FactBatching())
        commands = []
        real = local_host.connector.run_shell_command
        local_host.connector.run_shell_command = lambda command, **more: (
            commands.append(command) or real(command, **more)
        )
        carry_out(run)
        assert len(commands) == 1, commands
        assert run.results[local_host].success_ops == 3


def test_within_as_planned_operations_are_planned(run):
    with relied_on("is_executing, current_stage and print_noop_info say what a run does, and can be set"):
        run.current_stage, run.is_executing = StateStage.Execute, True
        with internals.as_planned(run):
            assert (run.is_executing, run.current_stage) == (False, StateStage.Prepare)
        assert (run.is_executing, run.current_stage) == (True, StateStage.Execute)


@pytest.mark.parametrize(
    ("executing", "checks", "shown"), [(False, True, True), (True, True, False), (True, False, True)]
)
def test_diff_is_shown_once(run, executing, checks, shown):
    with relied_on("state.config.DIFF and state.should_check_for_changes() say whether and when a diff was shown"):
        run.config.DIFF, run.is_executing, run.check_for_changes = True, executing, checks
        assert internals.shows_diff() is not (executing and checks)
        run.config.DIFF = False
        assert internals.shows_diff() is False


def test_function_is_heard_by_the_names_of_its_parameters(run, local_host):
    with relied_on("what a function returns counts when it has parameters named state and host, and only then"):
        assert FunctionCommand(lambda state, host: False, (), {}).execute(run, local_host, {}) is False
        assert FunctionCommand(lambda: False, (), {}).execute(run, local_host, {}) is None


def test_false_of_a_function_ends_the_run(run, local_host):
    with relied_on("an operation whose function returns False has failed"):
        add_op(run, called, lambda state, host: False, name="Fail")
        with pytest.raises(Exception, match="No hosts remaining"):
            carry_out(run)


def test_hosts_that_fail_are_known(run, local_host):
    with relied_on("state.failed_hosts has the hosts that can't be reached when the run ends while connecting"):
        assert internals.has_planned()
        run.current_stage = StateStage.Connect
        run.failed_hosts.add(local_host)
        assert internals.unreachable_hosts() == [local_host.name] and not internals.has_planned()


def test_host_can_be_connected_to_once_more(run, local_host):
    with relied_on("a connector is made of state and host, and connects by itself"):
        internals.log_in_anew(local_host)
        assert local_host.connected


def test_ssh_connector_has_its_paramiko_client(local_host):
    from pyinfra.connectors.ssh import SSHConnector

    with relied_on("the SSH connector keeps its paramiko client as `client`"):
        assert "client" in inspect.get_annotations(SSHConnector) or "self.client" in inspect.getsource(SSHConnector)
        internals.tune_connection(local_host)


def test_sudo_of_a_host_is_handed_on():
    with _using("@fake/h", {"fake_delay": 0, "fake_delay_jitter": 0, "_sudo": True}) as host:
        given = {}
        host.connector.run_shell_command = lambda command, **options: given.update(options) or (True, None)
        with relied_on("host.run_shell_command takes print_output and _sudo"):
            internals.run_on(host, StringCommand("true"), show=True)
            assert given["_sudo"] is True and given["print_output"] is True


def test_stack_is_described_by_inspect():
    with relied_on("pyinfra has inspect describe the stack at each operation, which looks at inspect.modulesbyfile"):
        from pyinfra.api import util

        assert util.stack is inspect.stack and "modulesbyfile" in inspect.getsource(inspect.getmodule)
        internals.tune_stack_lookup([PROJECT / "deploys" / "all.py"], PROJECT)
        assert inspect.modulesbyfile["deploys/all.py"] == "__main__"


MASKED = """
from pyinfra_cli.exceptions import UnexpectedMixin
from xteam_infra.engine import pyinfra_internals as internals

for name in internals.TOLD:
    assert callable(getattr(UnexpectedMixin, name))
    setattr(UnexpectedMixin, name, lambda error: "the secret")
internals.mask_tracebacks(lambda text: text.replace("secret", "name"))
print({getattr(UnexpectedMixin(), name)() for name in internals.TOLD})
"""


def test_tracebacks_are_written_by_methods_that_can_be_masked():
    """In a process of its own: importing pyinfra's command changes the whole process."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", MASKED], cwd=PROJECT, capture_output=True, text=True)
    with relied_on("pyinfra_cli takes tracebacks from UnexpectedMixin.get_traceback and get_exception"):
        assert done.stdout.strip() == "{'the name'}", done.stderr


PRIVATE = re.compile(
    r"\._inner\b|\bcommand_generator\b|\bmodulesbyfile\b|\.op_meta\b|\bshould_check_for_changes\b|\bcurrent_op_hash\b"
    r"|\bcurrent_stage\b|\bfailed_hosts\b|\bUnexpectedMixin\b|host\.connector\b|\.run_shell_command\b|\bprint_noop_info\b"
)


def test_private_parts_are_used_in_one_module():
    """checklist/rerun.py reads `failed_hosts` of a run's JSON, which is documented."""
    found = []
    for folder in ("xteam_infra", "deploys", "tasks", "inventories", "checklist", "lab"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            if path.name in ("pyinfra_internals.py", "rerun.py"):
                continue
            lines = enumerate(path.read_text().splitlines(), 1)
            found += [f"{path.relative_to(PROJECT)}:{number}" for number, line in lines if PRIVATE.search(line)]
    assert not found, f"pyinfra's private parts belong into xteam_infra/engine/pyinfra_internals.py: {', '.join(found)}"


def test_state_is_the_one_in_use(run):
    with relied_on("pyinfra.state is the run in use"):
        assert internals.state.config is ctx_state.get().config
