"""Checks of several hosts at the same time: the report must be the same as if they had run one after another."""

import json

import pytest

from checklist import estate as estate_module
from checklist import inventory
from checklist.inventory import Machine
from checklist.parallel import shares_of

pytest_plugins = ["pytester"]
NAMES = ("redis1", "redis2", "redis3")

CHECKS = """
import os

import pytest

from checklist.run import not_applicable

pytestmark = [{marks}]


@pytest.fixture(scope="session")
def once():
    yield os.getpid()
    with open("ended", "a") as file:
        file.write("x")


@pytest.mark.item("RED-03")
def test_first(machine, once):
    print("said by", machine.name)
    with open("processes-" + machine.name, "w") as file:
        file.write(str(os.getpid()))
    assert machine.name != "redis2", "open to anyone"


@pytest.mark.item("RED-04")
def test_second(machine, once):
    if machine.name == "redis3":
        not_applicable("the third")
    {body}
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs checks in a directory of host checks over three machines, which they don't ask."""
    machines = tuple(Machine(name, "127.0.0.1", "a", ("redis",), "127.0.0.1", "root", 1, "", "x") for name in NAMES)
    monkeypatch.setattr(inventory, "PREREAD", [machines])
    monkeypatch.setattr(estate_module, "PREREAD", ["{}"])

    def run(*arguments, marks="", body="pass", directory="hosts"):
        (pytester.path / directory).mkdir(exist_ok=True)
        (pytester.path / directory / "test_it.py").write_text(CHECKS.format(marks=marks, body=body))
        plugins = ["-p", "no:pytest11.testinfra", "-p", "checklist.plugin", "-p", "no:cacheprovider"]
        return pytester.runpytest_inprocess(*plugins, "--inventory", "inventories/lab.py", directory, *arguments)

    return run


def report(pytester):
    """{item: [(host, status, message) of each check]}"""
    found = json.loads((pytester.path / "build/report/checklist.json").read_text())
    checks = {item["id"]: item["checks"] for item in found["items"] if item["checks"]}
    return {name: [(one["host"], one["status"], one["message"]) for one in of] for name, of in checks.items()}


def processes(pytester):
    return {(pytester.path / f"processes-{name}").read_text() for name in NAMES}


@pytest.mark.parametrize("at_once", ["1", "2", "9"])
def test_the_report_does_not_depend_on_it(pytester, run, at_once):
    result = run("--at-once", at_once)
    result.assert_outcomes(passed=4, failed=1, skipped=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*open to anyone*", "said by redis2"])
    found = report(pytester)
    assert [(host, status) for host, status, _ in found["RED-03"]] == [
        ("redis1", "passed"),
        ("redis2", "failed"),
        ("redis3", "passed"),
    ]
    assert found["RED-04"][2] == ("redis3", "not-applicable", "the third")
    # A quick child may do the work of two.
    assert len(processes(pytester)) <= int(at_once)
    assert (pytester.path / "ended").read_text() == "x" * len(processes(pytester))


def test_checks_that_disturb_each_other_run_one_by_one(pytester, run):
    run(marks="pytest.mark.serial")
    assert len(processes(pytester)) == 1


@pytest.mark.parametrize(("mark", "shares"), [("", 4), ("serial", 2), ('serial("pools")', 1)])
def test_files_of_one_name_are_one_share(pytester, mark, shares):
    lines = ["import pytest", f"pytestmark = pytest.mark.{mark}" if mark else ""]
    lines += ['@pytest.mark.parametrize("machine", ["a", "b"])', "def test_it(machine): pass"]
    hosts = pytester.mkdir("hosts")
    for name in ("one", "two"):
        (hosts / f"test_{name}.py").write_text("\n".join(lines))
    items, _ = pytester.inline_genitems(hosts)
    assert len(shares_of(items)) == shares


def test_drills_have_the_estate_for_themselves(pytester, run):
    run(directory="drills")
    assert len(processes(pytester)) == 1


@pytest.mark.parametrize("slow", NAMES)
def test_a_child_that_dies_is_an_error_never_a_pass(pytester, run, slow):
    """Whichever share is slow: a share that the killed child had asked for and not begun is another child's."""
    body = f"os._exit(0) if machine.name == 'redis1' else os.system('sleep 0.3') if machine.name == '{slow}' else None"
    result = run("--at-once", "2", body=body)
    assert result.ret == 1
    found = report(pytester)
    lost = [status for checks in found.values() for host, status, _ in checks if host == "redis1"]
    assert lost == ["error", "error"]
    assert "ended before it could tell" in found["RED-04"][0][2]
    assert [status for host, status, _ in found["RED-03"] if host != "redis1"] == ["failed", "passed"]


def test_children_that_all_die_leave_no_check_out(pytester, run):
    assert run("--at-once", "2", body="os._exit(0)").ret == 1
    found = report(pytester)
    assert [status for _, status, _ in found["RED-03"]] == ["error", "error", "passed"]
    assert [status for _, status, _ in found["RED-04"]] == ["error", "error", "not-applicable"]


def test_stopping_at_the_first_failure(pytester, run):
    result = run("--exitfirst", "--at-once", "2")
    assert result.ret == 1
    document = json.loads((pytester.path / "build/report/checklist.json").read_text())
    assert document["partial"] == ["stopped early"]


def test_a_failing_end_is_an_error(pytester, run):
    marks = "pytest.mark.usefixtures('put_back')"
    (pytester.path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef put_back():\n    yield\n    raise RuntimeError('not put back')\n"
    )
    assert run("--at-once", "3", marks=marks).ret == 1
    assert [status for _, status, _ in report(pytester)["RED-04"] if status == "error"] == ["error"] * 3
