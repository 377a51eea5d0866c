"""Which lines of the application's log are errors, and what of them is shown."""

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from xteam_infra.engine.runtime import PROJECT

LOADER = SourceFileLoader("xteam_log_errors", str(PROJECT / "templates/app/xteam-log-errors.j2"))


@pytest.fixture(scope="module")
def program():
    module = module_from_spec(spec_from_loader(LOADER.name, LOADER))
    LOADER.exec_module(module)
    return module


def entry(message, process="1", priority="6"):
    text = message if isinstance(message, str | list) else json.dumps(message)
    return {"MESSAGE": text, "_PID": process, "PRIORITY": priority, "__REALTIME_TIMESTAMP": "1000000"}


def found(program, *entries):
    return [(message, request) for _, message, request in program.errors(iter(entries))]


def test_levels_and_priorities(program):
    lines = [entry({"level": level, "message": level, "request_id": "r"}) for level in ("INFO", "WARNING", "ERROR")]
    critical = entry({"level": "CRITICAL", "message": "all is lost"})
    assert found(program, *lines, critical) == [("ERROR", "r"), ("all is lost", "-")]
    assert found(program, entry("out of memory", priority="3"), entry("a word")) == [("out of memory", "-")]
    binary = list(json.dumps({"level": "ERROR", "message": "bytes"}).encode())
    assert found(program, entry(binary)) == [("bytes", "-")]


def test_a_traceback_is_known_by_what_was_raised(program):
    text = ["Traceback (most recent call last):", '  File "x.py", line 1', "    f()", "ValueError: the password is x"]
    other = entry({"level": "INFO", "message": "meanwhile"}, process="2")
    assert found(program, *map(entry, text[:2]), other, *map(entry, text[2:])) == [("uncaught ValueError", "-")]


def test_nothing_but_the_message_is_shown(program):
    line = {"level": "ERROR", "message": f"it\nfailed {'x' * 500}", "exception": "token-of-a-user", "path": "/me"}
    ((message, _),) = found(program, entry(line))
    assert message.startswith("it failed xxx") and len(message) == 200 and "token" not in message


def test_what_the_journal_leaves_out_is_no_error(program):
    assert found(program, {"MESSAGE": None}, {}, entry("[1, 2]"), entry("null")) == []
