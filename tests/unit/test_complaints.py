"""What counts as a complaint in a journal, and what of it is allowed."""

import datetime
import json

import pytest
from pydantic import ValidationError

from checklist.complaints import Allowed, AllowedError, Line, complaints, grave, load, not_allowed, read, unused

TODAY = datetime.date(2026, 11, 30)
NOW = 1_000_000_000
UNITS = """now 1000000000
Id=redis-server@queue.service
InvocationID=aaaa
InactiveExitTimestampMonotonic=5000000

Id=etcd.service
InvocationID=bbbb
InactiveExitTimestampMonotonic=5000000
"""


def entry(text, unit="redis-server@queue.service", invocation="aaaa", at=500_000_000, priority=6, **more):
    return json.dumps(
        {
            "MESSAGE": text,
            "_SYSTEMD_UNIT": unit,
            "_SYSTEMD_INVOCATION_ID": invocation,
            "PRIORITY": str(priority),
            "__REALTIME_TIMESTAMP": str(at),
            "__MONOTONIC_TIMESTAMP": "15000000",
            **more,
        }
    )


def said(*entries, before=""):
    return [line.text for line in complaints(read(UNITS + before + "\n".join(entries)))]


@pytest.mark.parametrize(
    "text",
    [
        "758:M 30 Nov 2026 14:50:00.123 # NOPERM ACLs rules changed between the moment",
        '{"level":"warn","ts":"2026-11-30T14:50:00Z","msg":"slow"}',
        "2026-11-30 14:50:00.123 UTC [42] postgres@xteam FATAL:  no room",
        "[WARNING]  (42) : Server app/app1 is DOWN",
        "P00   WARN: unable to find a standby",
        "Traceback (most recent call last):",
    ],
)
def test_services_that_name_the_level_themselves(text):
    assert said(entry(text)) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "758:M 30 Nov 2026 14:50:00.123 * Background saving terminated with success",
        '{"level":"INFO","message":"GET /ERROR/FATAL"}',
        "LOG:  an errorless day",
    ],
)
def test_what_is_no_complaint(text):
    assert not said(entry(text))


def test_priority_alone_is_enough_but_not_for_the_kernel():
    assert said(entry("it hurts", priority=4)) == ["it hurts"]
    assert not said(entry("ACPI: firmware bug", unit=None, priority=4, _TRANSPORT="kernel"))
    assert said(entry("Out of memory: Killed process 1", unit=None, priority=3, _TRANSPORT="kernel"))


def test_only_since_the_unit_was_started():
    assert not said(entry("ERROR", invocation="before"))
    failed = {"UNIT": "etcd.service", "INVOCATION_ID": "before", "_SYSTEMD_UNIT": "init.scope"}
    assert said(entry("etcd.service: Failed with result 'signal'.", priority=4, **failed))


def test_what_was_said_amid_a_drill_is_left_out():
    lines = [entry("ERROR before", at=100), entry("ERROR amid", at=200), entry("ERROR after", at=300)]
    assert said(*lines, before="disturbed 150 250 drill x\n") == ["ERROR before", "ERROR after"]


def test_this_verification_itself_is_left_out():
    journal = read(UNITS + "\n".join([entry("ERROR before", at=NOW - 20_000_000), entry("ERROR", at=NOW - 1)]))
    assert [line.text for line in complaints(journal, running=10)] == ["ERROR before"]


def test_an_answer_without_units_is_no_answer():
    with pytest.raises(ValueError, match="did not say"):
        read("now 1\n")


def allowed(**more):
    return Allowed.model_validate({"unit": "redis-*", "pattern": "ERROR", "reason": "known", **more})


def test_what_is_allowed_and_what_is_left():
    lines = list(complaints(read(UNITS + "\n".join([entry("ERROR 1"), entry("ERROR 2"), entry("FATAL")]))))
    found = not_allowed(lines, [allowed(unit="etcd.service")], TODAY)
    assert [(unit, len(those)) for (unit, _), those in found.items()] == [("redis-server@queue.service", 2)] * 1 + [
        ("redis-server@queue.service", 1)
    ]
    assert list(not_allowed(lines, [allowed()], TODAY)) == [("redis-server@queue.service", "FATAL")]
    assert unused(lines, [allowed(), allowed(pattern="never")], TODAY) == [allowed(pattern="never")]


@pytest.mark.parametrize(
    ("text", "times", "wanted"),
    [
        ("ERROR", 4, False),
        ("ERROR", 5, True),
        ("# CRITICAL x", 1, True),
        ('{"level":"fatal"}', 1, False),
        ("PANIC: x", 1, True),
    ],
)
def test_once_is_a_moment_and_often_is_a_fault(text, times, wanted):
    lines = [Line("x.service", text, number, 1.0) for number in range(times)]
    assert grave(lines) is wanted


LOG = "/var/log/pgbackrest/main-check.log"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-30 20:00:00.123 P00  ERROR: [062]: stop file exists", True),
        ("2026-11-29 17:59:59.999 P00  ERROR: [062]: stop file exists", False),
        ("Traceback (most recent call last):", True),
    ],
    ids=["of today", "of a day before", "without its moment"],
)
def test_log_files_beside_the_journal(text, wanted):
    """By the host's own zone, of the last day."""
    now = int(datetime.datetime(2026, 11, 30, 18, 0, 10, tzinfo=datetime.UTC).timestamp())
    units = UNITS.replace("now 1000000000", f"now {now}000000")
    found = list(complaints(read(f"{units}zone +0200\nfile {now - 5} {LOG} {text}\n")))
    if "20:00" in text:
        assert [(line.unit, line.text, line.at) for line in found] == [(LOG, text, (now - 10) * 1_000_000 + 123_000)]
    assert bool(found) is wanted


def test_log_files_in_which_a_drill_was_at_work():
    line = f"zone +0000\nfile 1 {LOG} 1970-01-01 00:03:20.000 ERROR amid\n"
    assert not list(complaints(read(f"{UNITS}disturbed 150000000 250000000 drill x\n{line}")))


def test_an_entry_for_a_moment_and_no_more():
    lines = [Line("redis-x", f"ERROR {number}", number, 1.0) for number in range(6)]
    assert not not_allowed(lines, [allowed(at_most=6)], TODAY)
    assert len(not_allowed(lines, [allowed(at_most=5)], TODAY)[("redis-x", "ERROR N")]) == 6
    assert not not_allowed(lines, [allowed(at_most=1), allowed()], TODAY), "another entry has no such bound"


def test_a_unit_that_has_run_for_months():
    """A moment now and then is no fault."""
    day = 86_400_000_001
    assert not grave([Line("x.service", "ERROR", number * day, 1.0) for number in range(90)])
    assert grave([Line("x.service", "ERROR", number * day // 5, 1.0) for number in range(90)])


def test_an_entry_that_has_an_end():
    [line] = complaints(read(UNITS + entry("ERROR")))
    assert line.age == 10
    assert allowed(within=10).covers(line, TODAY) and not allowed(within=9).covers(line, TODAY)
    assert allowed(until=TODAY).covers(line, TODAY)
    assert not allowed(until=TODAY - datetime.timedelta(days=1)).covers(line, TODAY)


@pytest.mark.parametrize("wrong", [{"reason": " "}, {"pattern": "("}, {"because": "x"}, {"within": 0}])
def test_an_entry_that_is_refused(wrong):
    with pytest.raises((ValidationError, AllowedError)):
        allowed(**wrong)


def test_the_list_of_the_project_is_well_formed(tmp_path):
    entries = load()
    assert len({(one.unit, one.pattern) for one in entries}) == len(entries)
    path = tmp_path / "complaints.yml"
    path.write_text("- unit: x\n")
    with pytest.raises(AllowedError, match=r"complaints\.yml"):
        load(path)
