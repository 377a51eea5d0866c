"""Which backups of users' files count, which have expired, and when files have shrunk: by time of arrival."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import xteam_infra.on_host
from tests.drills.harness.kept import nothing_displaced

HOUR, DAY = 3600, 86_400
BEGAN = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
DIRECTORIES = ("/srv/xteam/uploads", "/srv/xteam/workspaces")
KEEP = {"hourly": 24, "daily": 14, "weekly": 8, "monthly": 6}


@pytest.fixture
def choose(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(xteam_infra.on_host.__file__).parent))
    from xteam_files_keep import choose

    return choose


@pytest.fixture
def arrival(choose):
    """A snapshot that arrived at a moment, as an honest host sends it."""

    def make(arrived, **more):
        one = {"taken": arrived, "host": "app1", "paths": DIRECTORIES, "tree": "full", "files": 1000, "size": 10**9}
        return choose.Arrival(**{"id": f"{arrived:.0f}", "arrived": arrived, **one, **more})

    return make


@pytest.fixture
def good(arrival):
    """Three weeks of hourly backups; the last is of Jun 21, 23:00."""
    return [arrival(BEGAN + hour * HOUR, tree=f"tree{hour}") for hour in range(21 * 24)]


def attack(arrival, good, **more):
    """Fifty snapshots of nothing, a second apart, an hour after the last good one."""
    began = good[-1].arrived + HOUR
    empty = {"tree": "empty", "files": 0, "size": 0}
    return [arrival(began + second, id=f"empty{second}", **{**empty, **more}) for second in range(50)]


def left(choose, good, sent, keep=KEEP, distinct=5):
    counted = choose.counted([*good, *sent], "app1", DIRECTORIES)
    gone = {one.id for one in choose.expired(counted, keep, distinct)}
    return [one for one in good if one.id not in gone]


@pytest.mark.parametrize("ahead", [0, 10, 400], ids=["today", "ten days ahead", "a year ahead"])
def test_fifty_empty_snapshots_displace_one_hour_and_no_day(choose, arrival, good, ahead):
    """Dated now they take the place of one period each; dated ahead they take none."""
    began = good[-1].arrived + HOUR
    sent = [
        arrival(one.arrived, id=one.id, tree="empty", files=0, size=0, taken=began + second * HOUR + ahead * DAY)
        for second, one in enumerate(attack(arrival, good))
    ]
    kept = left(choose, good, sent)
    days = {datetime.fromtimestamp(one.arrived, UTC).date() for one in kept}
    assert len(days) >= 13, "days of files are gone"
    assert kept[-1] == good[-1], "the last backup with files is gone"
    assert len(kept) >= 23 + 12


def test_the_drill_is_red_when_retention_believes_senders(choose, arrival, good):
    """tests/drills/test_files.py judges by this: the former retention, by dates that senders write, must fail it."""
    sent = [
        arrival(one.arrived, id=one.id, tree="empty", files=0, size=0, taken=one.arrived + number * HOUR)
        for number, one in enumerate(attack(arrival, good))
    ]
    day = good[-24:]
    before = {one.id for one in day}
    nothing_displaced(before, before | {one.id for one in sent}, len(sent))
    believed = [replace(one, arrived=one.taken) for one in [*day, *sent]]
    gone = {one.id for one in choose.expired(believed, KEEP, 0)}
    with pytest.raises(AssertionError):
        nothing_displaced(before, {one.id for one in believed} - gone, len(sent))
    with pytest.raises(AssertionError, match="are gone"):
        nothing_displaced(before, {one.id for one in sent} | set(list(before)[1:]) | {"another"}, len(sent))
    with pytest.raises(AssertionError, match="shows nothing"):
        nothing_displaced(set(), {one.id for one in sent}, len(sent))


def test_what_is_dated_ahead_does_not_count(choose, arrival):
    one = arrival(BEGAN, taken=BEGAN + choose.AHEAD_SECONDS + 1)
    assert choose.refused(one, "app1", DIRECTORIES) == "dated ahead"
    assert not choose.refused(arrival(BEGAN, taken=BEGAN + 60), "app1", DIRECTORIES)


def test_foreign_names_and_paths_do_not_count(choose, arrival):
    assert choose.refused(arrival(BEGAN, host="app2"), "app1", DIRECTORIES) == "of host app2"
    assert "workspaces" in choose.refused(arrival(BEGAN, paths=DIRECTORIES[:1]), "app1", DIRECTORIES)


def test_each_period_keeps_its_newest(choose, good):
    kept = left(choose, good, [], {"daily": 3}, distinct=1)
    assert [datetime.fromtimestamp(one.arrived, UTC).hour for one in kept] == [23, 23, 23]


def test_what_differs_stays_where_the_last_of_each_day_is_empty(choose, arrival):
    """Each night somebody sends nothing: the newest of each content of the day stays, of different days."""
    sent = []
    for day in range(10):
        sent.append(arrival(BEGAN + day * DAY + 20 * HOUR, tree=f"tree{day}"))
        sent.append(arrival(BEGAN + day * DAY + 23 * HOUR, tree="empty", files=0, size=0))
    kept = left(choose, sent, [], {"daily": 14}, distinct=5)
    assert [one.tree for one in kept if one.tree != "empty"] == ["tree5", "tree6", "tree7", "tree8"]


def test_what_differs_does_not_stay_for_ever(choose, arrival):
    """A user's erased files must go, also when nothing changes any more."""
    before = arrival(BEGAN, tree="with what a user has erased")
    after = [arrival(BEGAN + day * DAY, tree="without") for day in range(1, 16)]
    assert before not in left(choose, [before, *after], [], {"daily": 14}, distinct=5)


def test_many_that_differ_on_one_day_push_no_other_day_out(choose, arrival):
    week = [arrival(BEGAN + day * DAY, tree=f"tree{day}") for day in range(7)]
    flood = [arrival(BEGAN + 8 * DAY + second, tree=f"noise{second}") for second in range(50)]
    kept = left(choose, week, flood, {"weekly": 2}, distinct=5)
    assert [one.tree for one in kept] == ["tree3", "tree4", "tree5", "tree6"]


def test_files_that_shrink_sharply_are_told(choose, arrival, good):
    said = choose.shrunk([*good, *attack(arrival, good)], since=0, percent=50)
    assert said == "0 files in empty49, 1000 before"
    fewer = arrival(good[-1].arrived + HOUR, files=501)
    assert not choose.shrunk([*good, fewer], since=0, percent=50)
    smaller = arrival(good[-1].arrived + HOUR, size=10**8)
    assert "bytes" in choose.shrunk([*good, smaller], since=0, percent=50)


def test_what_a_person_accepted_is_the_measure_from_then_on(choose, arrival, good):
    sent = attack(arrival, good)
    assert not choose.shrunk([*good, *sent], since=sent[-1].arrived, percent=50)


def test_a_few_files_come_and_go(choose, arrival):
    few = [arrival(BEGAN, files=20, size=2**20), arrival(BEGAN + HOUR, files=0, size=0)]
    assert not choose.shrunk(few, since=0, percent=50)


def test_nothing_arrived_nothing_is_said(choose):
    assert choose.shrunk([], since=0, percent=50) == ""
    assert choose.expired([], KEEP, 5) == []


def test_a_ledger_comes_back_as_it_was(choose, arrival, tmp_path):
    from xteam_files_keep import ledger

    one = arrival(BEGAN)
    kept = ledger.Ledger(path=tmp_path / "ledger/app1.json", repository="abc", arrivals={one.id: one}, held="why")
    kept.save()
    assert ledger.read(kept.path) == kept
    assert kept.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"repository": "", "held": "", "accepted": 0, "arrivals": [1]})])
def test_a_damaged_ledger_is_told(choose, tmp_path, text):
    from xteam_files_keep import ledger
    from xteam_restic.programs import BackupError

    path = tmp_path / "app1.json"
    path.write_text(text)
    with pytest.raises(BackupError, match="is damaged"):
        ledger.read(path)
