"""The monthly report on PostgreSQL: what it makes of the members' answers, and the page."""

import sys
from pathlib import Path

import pytest

ON_HOST = Path(__file__).parents[2] / "xteam_infra" / "on_host"


@pytest.fixture(scope="module")
def program():
    """The modules as they stand on the host, on a path of their own."""
    sys.path.insert(0, str(ON_HOST))
    try:
        from xteam_postgres_report import __main__, findings
    finally:
        sys.path.remove(str(ON_HOST))
    return __main__, findings


def statement(**unlike):
    row = {"id": "1", "query": "SELECT $1", "calls": 10, "seconds": 2.0, "worst_ms": 500.0, "rows": 10}
    return {**row, "hit": 1, "read": 1, "temp": 0, **unlike}


def index(name, scans):
    return {"name": name, "table": "t", "scans": scans, "bytes": 2_000_000, "definition": f"CREATE INDEX {name}"}


def table(**unlike):
    row = {"name": "public.t", "bytes": 5_000_000, "heap": 4_000_000, "rows": 50_000, "dead": 10, "scans": 0}
    return {**row, "scanned": 0, "lookups": 5, "vacuumed": None, **unlike}


def setting(name, value, unit=None, **unlike):
    row = {"name": name, "setting": value, "unit": unit, "source": "configuration file", "sourcefile": None}
    return {**row, "pending_restart": False, **unlike}


def answers(follows=False, **unlike):
    overview = {
        "version": "17.12", "follows": follows, "bytes": 1, "sessions": 1, "deadlocks": 0, "temp_bytes": 0,
        "conflicts": 0, "hit_percent": 99.9, "commits": 1, "rollbacks": 0, "xid_age": 7, "since": "2026-11-01",
    }  # fmt: skip
    empty = {name: [] for name in ("statements", "indexes", "tables", "foreign_keys", "settings")}
    return {"overview": [overview], **empty, **unlike}


def test_statements_of_all_members_are_added_up(program):
    members = {
        "db1": answers(statements=[statement(), statement(id="2", seconds=1.0)]),
        "db2": answers(True, statements=[statement(seconds=5.0, calls=10, worst_ms=900.0)]),
    }
    first, second = program[1].statements(members)
    assert (first["id"], first["calls"], first["seconds"], first["worst_ms"]) == ("1", 20, 7.0, 900.0)
    assert first["mean_ms"] == 350 and first["share"] == 87.5 and second["share"] == 12.5


def test_an_index_a_replica_uses_is_used(program):
    leader = answers(indexes=[index("a", 0), index("b", 0), index("c", 3)])
    replica = answers(True, indexes=[index("a", 7), index("b", 0), index("c", 0)])
    assert [row["name"] for row in program[1].unused_indexes({"db1": leader, "db2": replica})] == ["b"]


def test_tables_that_are_read_from_end_to_end(program):
    often = table(scans=100, scanned=5_000_000)
    small = table(name="public.small", scans=100_000, scanned=100_000)
    seldom = table(name="public.seldom", scans=3, scanned=5_000_000)
    found = program[1].scanned_tables({"db1": answers(tables=[often, small, seldom])})
    assert [(row["name"], row["each"]) for row in found] == [("public.t", 50_000)]


@pytest.mark.parametrize(
    ("declared", "row", "why"),
    [
        ("256MB", setting("shared_buffers", "32768", "8kB"), None),
        ("256MB", setting("shared_buffers", "16384", "8kB"), "declared is 256MB"),
        ("60s", setting("archive_timeout", "60", "s"), None),
        ("15min", setting("checkpoint_timeout", "900", "s"), None),
        ("500ms", setting("log_min_duration_statement", "-1", "ms"), "declared is 500ms"),
        ("1.1", setting("random_page_cost", "1.1"), None),
        ("on", setting("track_io_timing", "on"), None),
        ("on", setting("track_io_timing", "off"), "declared is on"),
        (200, setting("max_connections", "200"), None),
        (200, setting("max_connections", "200", pending_restart=True), "waits for a restart"),
        (None, setting("work_mem", "1", "kB", sourcefile="/x/postgresql.auto.conf"), "set by ALTER SYSTEM"),
        (None, setting("work_mem", "1", "kB"), None),
    ],
)
def test_settings_that_drifted(program, declared, row, why):
    wanted = {} if declared is None else {row["name"]: declared}
    found = program[1].drift({"db1": answers(settings=[row])}, wanted)
    assert [one["why"] for one in found] == ([why] if why else [])


def test_the_page_names_what_to_look_at_and_escapes_what_it_quotes(program):
    main, _ = program
    hostile = statement(query="SELECT '<script>alert(1)</script>'", seconds=60.0)
    members = {
        "db1": answers(
            statements=[hostile],
            indexes=[index("b", 0)],
            tables=[table()],
            bloat=[{"name": "public.t", "dead_percent": 40.0, "free_percent": 10.0, "bytes": 20_000_000}],
        )
    }
    values = main.page_values(
        members, {}, {"made": "2026-10-01", "tables": {"public.t": 1_000_000}}, {"db2": "refused"}
    )
    page = main.render({**values, "database": "xteam", "month": "November 2026", "made": "now"})
    assert "<script>" not in page and "&lt;script&gt;" in page
    for line in (
        "1 member that can&#39;t be asked",
        "can't be asked: refused",
        "1 statement of 100 ms or more on average",
        "1 index of 1 MiB or more that nobody uses",
        "1 table of which a third or more is dead",
    ):
        assert line in page
    assert "50 %" in page and "4 MiB" in page, "bloat and growth since the last report"


def test_nothing_to_look_at(program):
    main, _ = program
    values = main.page_values({"db1": answers(bloat=[])}, {}, {}, {})
    assert "Nothing calls for attention" in main.render({**values, "database": "x", "month": "m", "made": "n"})


def test_old_reports_are_forgotten_and_the_last_is_found(program, tmp_path):
    main, _ = program
    for month in ("2026-08", "2026-09", "2026-10"):
        (tmp_path / f"{month}.html").write_text("x")
        (tmp_path / f"{month}.json").write_text(f'{{"made": "{month}"}}')
    assert main._earlier(tmp_path, "2026-10") == {"made": "2026-09"}
    main._forget(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".html") == [
        "2026-09.html",
        "2026-10.html",
    ]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("postgres_report_schedule", "each month", "systemd calendar expression"),
        ("postgres_report_schedule", "", "systemd calendar expression"),
        ("postgres_report_schedule", "*-*-01 05:20; reboot", "systemd calendar expression"),
        ("postgres_report_keep_months", 1, "greater than or equal to 2"),
        ("postgres_report_keep_months", 121, "less than or equal to 120"),
    ],
)
def test_refused(declaration, key, value, allowed):
    declaration.own[key] = value
    assert allowed in declaration.problems()[key]


@pytest.mark.parametrize("value", ["monthly", "*-*-01 05:20", "Sun *-*-1..7 03:00:00"])
def test_when_it_may_be_made(declaration, value):
    declaration.own["postgres_report_schedule"] = value
    assert declaration.read().postgres.postgres_report_schedule == value
