"""The deploy files read as a runbook: every operation named, no name twice, layers in order, a barrier between them."""

import ast
import re
from importlib import import_module

import pytest
from conftest import PROJECT

from xteam_infra.layers import NAMES

FILES = sorted([*(PROJECT / "deploys").glob("*.py"), *(PROJECT / "tasks").glob("*.py")])
LAID = [f"{layer}.py" for layer in NAMES if (PROJECT / "deploys" / f"{layer}.py").exists()]


def operations(path):
    """Calls with a name at any depth of the file: (name, line). Parts that vary become {}."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "name":
                    yield _text(keyword.value), node.lineno


def _text(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) else "{}"


def imported_operations(tree):
    """Names of what the file imports that pyinfra knows as an operation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xteam_infra.engine.operations"):
            module = import_module(node.module)
            yield from (one.asname or one.name for one in node.names if hasattr(getattr(module, one.name), "_inner"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_operation_has_a_name(path):
    """pyinfra prints the arguments of one without, and a secret may be among them."""
    tree = ast.parse(path.read_text())
    known = set(imported_operations(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    for call in (node.value for node in calls):
        if isinstance(call.func, ast.Name) and call.func.id in known:
            assert any(keyword.arg == "name" for keyword in call.keywords), f"{path.name}:{call.lineno} has no name"


def test_no_two_operations_have_one_name():
    """pyinfra's results know operations by their names alone."""
    seen = {}
    for path in FILES:
        for name, line in operations(path):
            place = f"{path.name}:{line}"
            assert name not in seen, f'"{name}" stands at {seen[name]} and {place}'
            seen[name] = place


def test_names_are_sentences():
    odd = [name for path in FILES for name, _ in operations(path) if not re.match(r"^[A-Za-z{].* ", name)]
    assert not odd


def test_layers_are_laid_in_the_order_of_the_plan():
    order = re.findall(r'include\("deploys/(\w+)\.py"\)', (PROJECT / "deploys" / "all.py").read_text())
    assert order[0] == "preflight", "hosts must be looked at before any is changed"
    assert [layer for layer in order if layer in NAMES] == [layer for layer in NAMES if f"{layer}.py" in LAID]


@pytest.mark.parametrize("name", LAID)
def test_every_layer_ends_with_a_barrier_for_all_hosts(name):
    """pyinfra would otherwise start the next layer on hosts that have less to do."""
    last = ast.parse((PROJECT / "deploys" / name).read_text()).body[-1]
    assert isinstance(last, ast.Expr) and isinstance(last.value, ast.Call), f"{name} ends with something else"
    assert getattr(last.value.func, "id", "") == "barrier", f"{name} does not end with barrier(...)"


def test_no_operation_is_a_bare_shell_command():
    """`ensure` and operations of our own compare before they act."""
    for path in FILES:
        assert "server.shell" not in path.read_text(), f"{path.name} uses server.shell"
