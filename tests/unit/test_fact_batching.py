"""What a run wants to know is asked in few commands, by a real shell; and asked anew once something changed."""

import subprocess
from functools import partial
from types import SimpleNamespace

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput, OutputLine

from xteam_infra.engine.fact_batching import AT_ONCE, FactBatching

OPTIONS = {"print_output": False, "_sudo": False, "_stdin": None}


class Machine:
    """A host as pyinfra's operations see it; its shell is this machine's."""

    current_op_hash = None

    def __init__(self, name):
        self.name, self.connector, self.commands = name, self, []

    def run_shell_command(self, command, **options):
        self.commands.append(command.get_raw_value())
        words = ["sh", "-c", command.get_raw_value()]
        done = subprocess.run(words, input=options.get("_stdin") or "", capture_output=True, text=True)
        return done.returncode == 0, CommandOutput([OutputLine("stdout", line) for line in done.stdout.splitlines()])

    def asked(self):
        """How many commands since the last call."""
        found, self.commands = len(self.commands), []
        return found


@pytest.fixture
def target():
    return Machine("one")


def carry_out(machines, *operations):
    """As pyinfra does: one operation after the other, each on all hosts. Returns the first host's commands before that.

    An operation is a function of what asks a question; it yields commands.
    """

    def planned(machine, number, operation):
        def commands():
            machine.current_op_hash = str(number)
            yield from operation(lambda text, **more: ask(machine, text, **more))

        return SimpleNamespace(command_generator=commands)

    plans = {one: {str(n): planned(one, n, each) for n, each in enumerate(operations)} for one in machines}
    state = SimpleNamespace(
        inventory=SimpleNamespace(get_active_hosts=lambda: machines),
        ops=plans,
        is_executing=True,
        current_stage=StateStage.Execute,
        print_noop_info=True,
    )
    FactBatching().operation_start(state, "0")
    assert state.is_executing and state.current_stage == StateStage.Execute and state.print_noop_info
    looked = [one.asked() for one in machines]
    for number in range(len(operations)):
        for machine, plan in plans.items():
            for command in plan[str(number)].command_generator():
                machine.run_shell_command(StringCommand(command))
    return looked[0]


@pytest.fixture
def play(target):
    return partial(carry_out, [target])


def ask(target, text, **more):
    status, output = target.run_shell_command(StringCommand(text), **{**OPTIONS, **more})
    return output.stdout_lines if status else "failed"


def questions(texts, found):
    """An operation that only asks."""

    def operation(ask):
        found.extend(ask(text) for text in texts)
        return
        yield

    return operation


def test_answers_are_what_each_command_says_alone(target, play):
    texts = ["printf 'no end'", "echo one; echo two", "true", "printf 'x\\n\\n'", "cat", "echo said; echo told >&2"]
    found = []
    looked = play(*[questions([text], found) for text in texts])
    assert looked == 1 and target.asked() == 0
    # The last ones are of the look itself; those before were told while it went on.
    assert found[-len(texts) :] == [["no end"], ["one", "two"], [], ["x", ""], [], ["said"]]


def test_every_host_is_asked_for_itself():
    one, two = Machine("one"), Machine("two")
    assert carry_out([one, two], questions(["echo 1"], []), questions(["echo 1", "echo 2"], [])) == 2
    assert one.asked() == 0 and two.asked() == 0


def test_many_questions_take_few_commands(target, play):
    count = 5 * AT_ONCE
    assert play(*[questions([f"echo {number}"], []) for number in range(count)]) == 5
    assert target.asked() == 0


def test_questions_that_follow_from_answers_are_asked_in_further_rounds(target, play):
    found = []

    def operation(ask):
        [first] = ask("echo 1")
        found.append(ask(f"echo after {first}"))
        return
        yield

    assert play(operation) == 2
    assert target.asked() == 0 and found[-1] == ["after 1"]


def test_what_failed_is_asked_again(target, play):
    found = []
    play(questions(["echo partly; exit 3"], found))
    assert target.asked() == 1 and found == ["failed"]


def test_who_waits_for_another_answer_gets_one(target, play, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("")
    found = []
    text = f"echo x >> {counter}; wc -l < {counter}"
    play(questions([text, text], found))
    assert found[-2:] == [["1"], ["2"]]


def test_nothing_is_known_after_a_change(target, play, tmp_path):
    file, found = tmp_path / "file", []

    def change(ask):
        if ask(f"test -e {file} || echo absent"):
            yield f"touch {file}"

    play(change, questions([f"ls {file}"], found), questions([f"test -e {file} && echo there"], found))
    assert file.exists() and found == [[str(file)], ["there"]]


def test_what_needs_a_secret_is_asked_by_itself(target, play):
    found = []

    def operation(ask):
        found.append(ask("cat", _stdin="secret\n"))
        return
        yield

    assert play(operation) == 0
    assert target.asked() == 1 and found == [["secret"]]


def test_an_operation_that_fails_does_so_when_it_is_its_turn(play):
    def operation(ask):
        raise RuntimeError("no")
        yield

    with pytest.raises(RuntimeError, match="no"):
        play(operation)
