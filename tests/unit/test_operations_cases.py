"""Every operation by itself: tests/unit/operations/MODULE/OPERATION/CASE.yml: arguments, facts and the commands.

A new case: write arguments and facts, run with XTEAM_WRITE_CASES=1, which appends what came of it, and read that.
"""

import os
import pkgutil
from importlib import import_module

import operation_cases
import pytest
from operation_cases import CASES, complete, load, play

import xteam_infra
from xteam_infra.engine.operations.ensure import ensure

FILES = sorted(CASES.rglob("*.yml"))
# Operations that always act, with the reason; and the one that never does.
ALWAYS = {
    "layers/postgres/password_rotation/proved_login": "a login is proved by logging in",
    "layers/postgres/password_rotation/take_over": "it ends the sessions of the old password, whoever has any",
    "layers/postgres/password_rotation/close_second_login": "it ends the sessions of the second login, whoever has any",
    "layers/postgres/password_rotation/forget": "what it does is done in the secrets store",
}
NEVER = {"engine/operations/barrier/barrier": "hosts only wait"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """One for all cases, so that an estate is read once."""
    return tmp_path_factory.mktemp("cases")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CASES).with_suffix("")))
def test_operation_gives_the_commands_of_its_case(path, directory):
    case, played = load(path), play(path, directory)
    if os.environ.get("XTEAM_WRITE_CASES"):
        complete(path, played)
        case = load(path)
    assert played.commands == case["commands"]
    assert played.refused == case.get("refused", ""), "refused in other words"
    assert played.noop == case.get("noop", ""), "the reason why nothing is done"
    assert played.log == case.get("log", [])
    if case.get("carry_out"):
        assert (played.ran, played.result) == (case.get("ran", []), case.get("result", []))


def operations():
    """{MODULE/OPERATION: the operation} of all that the project has."""
    found = {}
    for module in pkgutil.walk_packages(xteam_infra.__path__, "xteam_infra."):
        if module.name.startswith("xteam_infra.on_host") or module.name.endswith("__main__"):
            continue
        here = import_module(module.name)
        for name, one in vars(here).items():
            if hasattr(one, "_inner") and one.__module__ == here.__name__:
                found["/".join((*module.name.split(".")[1:], name))] = one
    return found


def cases_of(name):
    return [load(path) for path in sorted(CASES.glob(f"{name}/*.yml"))]


def test_every_operation_has_cases():
    missing = [name for name in operations() if not cases_of(name)]
    assert not missing, f"no case in tests/unit/operations/ for: {', '.join(missing)}"


def test_every_case_is_of_an_operation():
    stale = {str(path.parent.relative_to(CASES)) for path in FILES} - set(operations())
    assert not stale, f"cases of operations that are not there: {', '.join(sorted(stale))}"


@pytest.mark.parametrize("name", sorted(operations()))
def test_idempotent_operation_has_a_case_of_each_kind(name):
    """One in which it acts, and one in which all is right and it gives no command."""
    found = cases_of(name)
    acts = any(case["commands"] for case in found)
    rests = any(not case["commands"] and "refused" not in case for case in found)
    assert acts or name in NEVER, "no case in which it acts"
    assert rests or name in ALWAYS or not operations()[name]._inner.is_idempotent, "no case in which all is right"


# --- The player itself


def write_case(tmp_path, text):
    path = tmp_path / "case.yml"
    path.write_text(text)
    return path


ENSURE = """
estate: solo
arguments: {command: "touch /x", check: "test -e /x"}
facts: [{fact: engine.facts.shell_condition.ShellCondition, of: {check: "test -e /x"}}]
"""


def test_a_question_without_an_answer_fails_the_case(tmp_path):
    path = write_case(tmp_path, ENSURE.partition("facts:")[0])
    with pytest.raises(AssertionError, match=r"asked of solo1 and not given(.|\n)*Getting fact: .*ShellCondition"):
        play(path, tmp_path, ensure)


def test_an_answer_that_nobody_asks_for_fails_the_case(tmp_path):
    path = write_case(
        tmp_path,
        f"{ENSURE}\n".replace(
            "facts: [", 'facts: [{fact: engine.facts.shell_condition.ShellCondition, of: {check: "no"}}, '
        ),
    )
    with pytest.raises(AssertionError, match="given for solo1 and not asked"):
        play(path, tmp_path, ensure)


@pytest.mark.parametrize("leak", ["echo {{secret redis/queue/app}}", "echo {{secret redis/queue/app}} | tr a-z A-Z"])
def test_a_secret_in_a_command_fails_the_case(tmp_path, leak):
    path = write_case(tmp_path, ENSURE.replace("touch /x", leak))
    with pytest.raises(AssertionError, match=r"a secret is in a command: .*\{\{secret redis/queue/app\}\}"):
        play(path, tmp_path, ensure)


def test_a_word_that_no_case_has_is_refused(tmp_path):
    path = write_case(tmp_path, "argments: {}")
    with pytest.raises(AssertionError, match="no case has argments"):
        operation_cases.load(path)
