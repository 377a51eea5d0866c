"""Dated results of drills: kept, judged by their age, shown in reports, and never taken for more than they are."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from checklist import drills
from checklist.drills import DrillError, DrillRecord, DrillStore, standing
from tests.unit.test_report_plugin import item, run, write_check  # noqa: F401 - run is a fixture

pytest_plugins = ["pytester"]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAME = "tests/drills/test_redis.py::test_full_redis_cache_evicts"
DRILL = """
import pytest

@pytest.mark.item("RED-05", "TST-06", kind="drill")
@pytest.mark.group("redis", first=True)
def test_it(machine, figures):
    figures["outage_seconds"] = 21.5
    {body}
"""


def record(days=0, status="passed", name=NAME, **more):
    at = NOW - timedelta(days=days)
    return DrillRecord(name=name, items=("RED-06",), host="redis1", at=at, status=status, **more)


@pytest.mark.parametrize(
    ("days", "status", "expected"),
    [
        (0, "passed", "passed"),
        (29, "passed", "passed"),
        (31, "passed", "expired"),
        (1, "failed", "failed"),
        (31, "failed", "failed"),
        (1, "error", "error"),
    ],
)
def test_what_a_result_is_worth(days, status, expected):
    assert standing(record(days, status), 30, NOW).status == expected


@pytest.mark.parametrize(
    ("drilled", "now", "expected"),
    [("a", "a", "passed"), ("a", "b", "expired"), ("", "b", "passed"), ("a", "", "passed")],
)
def test_a_result_is_worth_nothing_for_another_estate(drilled, now, expected):
    found = standing(record(1, estate=drilled), 30, NOW, estate=now)
    assert found.status == expected and (expected == "passed") == ("another estate" not in found.message)


def test_a_result_dated_ahead_is_an_error():
    assert standing(record(-1), 30, NOW).status == "error"


def test_an_expired_result_says_since_when():
    said = standing(record(45), 30, NOW).message
    assert "2026-10-11" in said and "45 days ago" in said and "30" in said


def test_the_last_result_decides_whenever_it_was_written(tmp_path):
    store = DrillStore(tmp_path / "drills" / "lab.json")
    assert store.read() == []
    for one in (record(1, "passed"), record(3, "failed"), record(2, "passed", "bench/failover.py")):
        store.add(one)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/failover.py").touch()
    assert {one.name: one.status for one in store.last(tmp_path)} == {"bench/failover.py": "passed"}
    (tmp_path / "tests/drills").mkdir(parents=True)
    (tmp_path / "tests/drills/test_redis.py").write_text("def test_full_redis_cache_evicts(host): pass")
    assert {one.name: one.status for one in store.last(tmp_path)}[NAME] == "passed"


def test_a_drill_that_was_renamed_proves_nothing(tmp_path):
    store = DrillStore(tmp_path / "lab.json")
    store.add(record())
    (tmp_path / "tests/drills").mkdir(parents=True)
    (tmp_path / "tests/drills/test_redis.py").write_text("def test_a_full_cache_makes_room_for_others(host): pass")
    assert store.last(tmp_path) == []


def test_only_the_last_results_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(drills, "KEPT", 3)
    store = DrillStore(tmp_path / "lab.json")
    for days in (5, 4, 3, 2, 1):
        store.add(record(days))
    store.add(record(9, name="other"))
    assert [(NOW - one.at).days for one in store.read()] == [3, 2, 1, 9]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSONDecodeError"),
        ("[]", "schema 1"),
        ('{"schema": 2, "records": []}', "schema 1"),
        ('{"schema": 1}', "KeyError"),
        ('{"schema": 1, "records": [{"name": "x"}]}', "record 0.items: Field required"),
        (
            '{"schema": 1, "records": [{"name": "x", "items": [], "host": "h", "at": "2026-01-01", "status": "ok"}]}',
            "record 0.at",
        ),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, text, said):
    path = tmp_path / "lab.json"
    path.write_text(text)
    with pytest.raises(DrillError, match=r"lab\.json") as caught:
        DrillStore(path).read()
    assert said in str(caught.value)


def test_labs_are_told_apart(monkeypatch):
    monkeypatch.setenv("XTEAM_LAB", "mine")
    assert str(drills.default_path("inventories/lab.py")) == "build/drills/lab-mine.json"
    assert str(drills.default_path("inventories/prod.py")) == "build/drills/prod.json"


# --- as pytest's user meets it


def keep(pytester, days=0, status="passed", name="test_elsewhere.py::test_drill", **more):
    pytester.makepyfile(test_elsewhere="def test_drill(machine): pass")
    at = datetime.now(UTC) - timedelta(days=days)
    store = DrillStore(pytester.path / "drills.json")
    store.add(DrillRecord(name=name, items=("RED-05",), host="redis2", at=at, status=status, **more))


def test_a_drill_leaves_a_dated_result(pytester, run):  # noqa: F811
    pytester.makepyfile(test_it=DRILL.format(body="pass"))
    run("--drill-results", "drills.json").assert_outcomes(passed=1)
    (kept,) = json.loads((pytester.path / "drills.json").read_text())["records"]
    assert kept["name"] == "test_it.py::test_it" and kept["items"] == ["RED-05", "TST-06"]
    assert kept["status"] == "passed" and kept["figures"] == {"outage_seconds": 21.5} and kept["host"] == "redis1"
    assert datetime.now(UTC) - datetime.fromisoformat(kept["at"]) < timedelta(minutes=5)


def test_a_later_run_reads_it(pytester, run):  # noqa: F811
    write_check(pytester)
    keep(pytester, days=3, figures={"outage_seconds": 21.5, "lost": 0})
    result = run("--drill-results", "drills.json", "--deselect", "test_elsewhere.py")
    assert result.ret == 0
    found = item(pytester, "RED-05")
    assert found["status"] == "passed" and found["missing"] == []
    (check,) = found["checks"]
    assert check["kind"] == "drill" and check["drilled"] and check["figures"] == {"outage_seconds": 21.5, "lost": 0}
    result.stdout.fnmatch_lines(["drill 20* passed *test_drill (RED-05): outage_seconds 21.5, lost 0"])
    page = (pytester.path / "build/report/checklist.html").read_text()
    assert "outage_seconds 21.5, lost 0" in page and "Drill of 20" in page


@pytest.mark.parametrize(
    ("days", "status", "options", "expected"),
    [
        (31, "passed", [], "expired"),
        (31, "passed", ["--drill-days", "60"], "passed"),
        (3, "passed", ["--drill-days", "2"], "expired"),
        (1, "failed", [], "failed"),
    ],
)
def test_old_and_failed_drills_fail_the_run(pytester, run, days, status, options, expected):  # noqa: F811
    write_check(pytester)
    keep(pytester, days=days, status=status, message="2 writes are lost")
    result = run("--drill-results", "drills.json", "--deselect", "test_elsewhere.py", *options)
    assert item(pytester, "RED-05")["status"] == expected
    assert result.ret == (0 if expected == "passed" else 1)


def test_a_drill_of_this_run_outweighs_the_last_one(pytester, run):  # noqa: F811
    pytester.makepyfile(test_it=DRILL.format(body="pass"))
    keep(pytester, days=1, status="failed", name="test_it.py::test_it")
    assert run("--drill-results", "drills.json", "test_it.py").ret == 0
    assert item(pytester, "RED-05")["status"] == "passed"


def test_a_drill_that_can_not_put_things_back_has_failed(pytester, run):  # noqa: F811
    source = DRILL.format(body="pass").replace("machine, figures", "machine, figures, power")
    fixture = "\n@pytest.fixture\ndef power():\n    yield\n    raise RuntimeError('still off')\n"
    pytester.makepyfile(test_it=source.replace("import pytest\n", f"import pytest\n{fixture}", 1))
    run("--drill-results", "drills.json")
    (kept,) = json.loads((pytester.path / "drills.json").read_text())["records"]
    assert kept["status"] == "error" and "still off" in kept["message"]


def test_what_was_not_carried_out_leaves_nothing(pytester, run):  # noqa: F811
    """The skip is the subject: a drill that skips itself, in a suite of its own, must not count as carried out."""
    pytester.makepyfile(test_it=DRILL.format(body="pytest.skip('no lab')"))
    run("--drill-results", "drills.json")
    assert not (pytester.path / "drills.json").exists()


def test_a_malformed_file_stops_the_run(pytester, run):  # noqa: F811
    write_check(pytester)
    (pytester.path / "drills.json").write_text("{")
    result = run("--drill-results", "drills.json")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*drills.json: JSONDecodeError*remove it*"])
