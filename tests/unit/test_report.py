"""What follows for an item from its checks, and what the reports say of it."""

from datetime import date, timedelta

import pytest

from checklist import catalogue
from checklist.__main__ import main
from checklist.decisions import Decision
from checklist.report import Check, Report, judge
from checklist.table import markdown, ranges, section_lines, totals
from checklist.web import write_html

ITEM = catalogue.load()["RED-03"]
PERSON = catalogue.load()["LAW-01"]
BOTH = catalogue.load()["OPS-04"]


def check(status, host="redis1", message=""):
    return Check(name="tests/hosts/test_redis.py::test_x", host=host, status=status, message=message)


def decision(kind, days=1):
    today = date.today()
    return Decision(
        kind=kind,
        reason="because",
        owner="jane",
        date=today - timedelta(9),
        until=today + timedelta(days),
        evidence="T-1",
    )


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "not-verified"),
        (["passed"], "passed"),
        (["passed", "passed"], "passed"),
        (["passed", "failed"], "failed"),
        (["passed", "error"], "error"),
        (["error", "failed"], "failed"),
        (["passed", "not-verified"], "not-verified"),
        (["passed", "not-applicable"], "passed"),
        (["not-applicable"], "not-applicable"),
    ],
)
def test_an_item_passes_only_if_everything_passed(statuses, expected):
    assert judge(ITEM, [check(status) for status in statuses], None).status == expected


def test_the_reason_names_the_hosts_and_what_was_wrong():
    checks = [check("passed"), check("failed", "redis2", "it answers\nassert x"), check("failed", "redis3", "no")]
    assert judge(ITEM, checks, None).reason == "redis2, redis3: it answers"


@pytest.mark.parametrize("status", ["failed", "error", "passed"])
def test_a_waiver_stands_whatever_the_checks_say_and_shows_what_they_say(status):
    result = judge(ITEM, [check(status)], decision("waived"))
    assert result.status == "waived"
    assert f"without it: {status}" in result.reason


def test_a_decision_past_its_last_day_is_red():
    for kind in ("waived", "not-applicable", "attested"):
        result = judge(ITEM, [check("passed")], decision(kind, days=-1))
        assert result.status == "expired"
        assert "jane" in result.reason


def test_a_decision_holds_through_its_last_day():
    assert judge(PERSON, [], decision("attested", days=0)).status == "attested"


def test_a_person_does_not_outweigh_a_failed_check():
    assert judge(BOTH, [check("failed")], decision("attested")).status == "failed"
    assert judge(BOTH, [check("error")], decision("attested")).status == "error"
    assert judge(BOTH, [check("passed")], decision("attested")).status == "passed"


def test_checks_alone_do_not_settle_what_a_person_must_decide():
    result = judge(BOTH, [check("passed")], None)
    assert result.status == "not-verified"
    assert "record is missing" in result.reason


def test_a_passed_item_says_which_sort_of_proof_is_missing():
    both = catalogue.load()["OPS-01"]
    assert both.kind == ("host", "repo")
    assert judge(both, [check("passed")], None).missing == ["repo"]
    repo = check("passed").model_copy(update={"kind": "repo"})
    assert judge(both, [check("passed"), repo], None).missing == []
    assert judge(catalogue.load()["SEC-01"], [check("passed")], None).missing == [], "host and wire count as one"
    assert judge(catalogue.load()["RED-01"], [check("passed")], None).missing == ["drill"]
    assert judge(both, [check("failed")], None).missing == []


@pytest.fixture
def report():
    checks = {"RED-03": [check("failed", message="queue answers <b>anyone</b>")], "RED-01": [check("passed")]}
    items = [judge(item, checks.get(item.id, []), None) for item in catalogue.load().values()]
    return Report(
        schema=1, inventory="inventories/lab.py", machines=["redis1"], items=items, partial=["--limit redis1"]
    )


def test_the_file_has_the_documented_shape_and_reads_back(report, tmp_path):
    path = tmp_path / "report" / "checklist.json"
    report.write(path)
    assert path.read_text().startswith('{\n "schema": 1,\n "inventory": "inventories/lab.py"')
    assert Report.read(path) == report


def test_another_schema_is_refused(tmp_path):
    path = tmp_path / "checklist.json"
    path.write_text('{"schema": 2, "inventory": "x", "items": []}')
    with pytest.raises(ValueError, match="schema 2"):
        Report.read(path)


def test_totals_and_sections(report):
    count = len(catalogue.load())
    assert totals(report) == f"1 passed, {count - 2} not-verified, 1 failed, of {count}"
    redis = next(line for line in section_lines(report) if line.startswith("Redis"))
    name, settled, marks = redis.split()
    assert (name, settled) == ("Redis", f"1/{len(marks)}")
    assert marks.strip("·") == "✔·✘"


def test_ids_in_short():
    assert ranges(["SEC-01", "SEC-02", "SEC-03", "DB-05", "DB-07"]) == "SEC-01..03 DB-05 DB-07"


def test_the_page_shows_everything_and_trusts_nothing(report, tmp_path):
    write_html(report, tmp_path / "checklist.html")
    page = (tmp_path / "checklist.html").read_text()
    assert all(f'id="{item.id}"' in page for item in report.items)
    assert "<b>anyone</b>" not in page
    assert "&lt;b&gt;anyone" in page
    assert "Partial run: --limit redis1" in page
    assert "<code>SECRET_KEY</code>" in page
    assert "http://" not in page and "src=" not in page, "the page must need nothing else"


def test_the_table_of_a_page_is_replaced_between_its_marks(report, tmp_path, capsys):
    json, readme = tmp_path / "checklist.json", tmp_path / "README.md"
    report.write(json)
    readme.write_text("# Top\n<!-- checklist:begin -->\nwas here\n<!-- checklist:end -->\nbottom\n")
    for _ in range(2):
        assert main(["table", "--report", str(json), "--write", str(readme)]) == 0
    page = readme.read_text()
    assert page.startswith("# Top\n<!-- checklist:begin -->\nState on `inventories/lab.py` (1 host)")
    assert page.endswith("<!-- checklist:end -->\nbottom\n")
    assert "was here" not in page
    assert page.count("| RED-03 |") == 1
    assert "Partial run" in markdown(report)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table", "--report", "nowhere.json"], "verify first"),
        (["table", "--report", "{json}", "--write", "{readme}"], "checklist:begin"),
        (["show", "XX-01", "--report", "{json}"], "no item XX-01"),
    ],
)
def test_the_command_says_what_is_wrong(report, tmp_path, capsys, arguments, said):
    json, readme = tmp_path / "checklist.json", tmp_path / "README.md"
    report.write(json)
    readme.write_text("no marks\n")
    assert main([argument.format(json=json, readme=readme) for argument in arguments]) == 2
    assert said in capsys.readouterr().err
    assert readme.read_text() == "no marks\n"
