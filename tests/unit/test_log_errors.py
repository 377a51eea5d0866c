"""Which lines of the application's log are errors, and what of them is shown."""

import json

import pytest
from host_programs import Host


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path) as made:
        yield made


@pytest.fixture
def program(host):
    return host.load("xteam_log_errors.__main__")


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


def test_more_errors_than_allowed_end_with_one(host, program, capsys, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    lines = [entry({"level": "ERROR", "message": f"failed {number}", "request_id": "r"}) for number in (1, 2)]
    host.program("systemctl", ("show", "0123"))
    host.program("journalctl", ("_SYSTEMD_INVOCATION_ID=0123", "\n".join(map(json.dumps, lines))))
    assert host.main(program.__name__, "xteam-api@blue.service", "--allowed", "2") == 0
    assert capsys.readouterr().out.splitlines()[0] == "00:00:01 UTC  request r  failed 1"
    assert host.main(program.__name__, "xteam-api@blue.service", "--allowed", "1") == 1
    assert capsys.readouterr().err == "2 errors in its log (1 allowed), the first: failed 1 (request r)\n"


def test_without_a_unit_it_says_how_it_is_used(host, program, capsys):
    with pytest.raises(SystemExit) as ended:
        host.main(program.__name__)
    assert ended.value.code == 2 and "usage: xteam-log-errors" in capsys.readouterr().err and not host.calls()
