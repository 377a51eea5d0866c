"""xteam-files-keep on the backup host: what is noted, removed, copied and refused."""

import json
import os
import time

import pytest
from host_programs import Host

HOUR = 3600
NOW = time.time()
DIRECTORY = "/srv/xteam/uploads"
SETTINGS = {
    "state": "STATE",
    "path": "KEPT",
    "owner": "",
    "senders": ["app1", "app2"],
    "bucket": {"url": "s3:bucket", "keep": {"daily": 2}, "options": ["-o", "x"], "credentials": "/c"},
    "seconds": 20,
    "directories": [DIRECTORY],
    "distinct": 0,
    "shrink_percent": 50,
    "keep": {"hourly": 2},
    "room_mb": 1000,
}


class Keeper(Host):
    """The backup host, with the repository of app1: `sent` are its snapshots."""

    def __init__(self, root, **settings):
        super().__init__(root)
        self.state, self.kept, self.metrics = root / "state", root / "kept", root / "metrics"
        self.state.mkdir()
        self.kept.mkdir()
        values = {
            **SETTINGS,
            "state": str(self.state),
            "path": str(self.kept),
            "metrics": str(self.metrics),
            **settings,
        }
        self.file("/etc/xteam/files/keep.json", values)
        self.metrics.mkdir()
        self.program("systemctl")
        self.sent, self.copied = [], []

    def arrive(self, number, hours_ago, **more):
        """A snapshot that arrived so many hours ago."""
        moment = NOW - hours_ago * HOUR
        name = f"{number:x}" * 64
        one = {"id": name, "hostname": "app1", "paths": [DIRECTORY], "tree": f"tree{number}", **more}
        one.setdefault("time", time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime(moment)))
        file = self.kept / "app1" / "snapshots" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        (self.kept / "app1" / "config").touch()
        os.utime(file, (moment, moment))
        self.sent.append(one)
        self.answer()
        return one

    def answer(self, *first, size=10**9):
        stats = {"total_file_count": 10, "total_size": size}
        self.program(
            "restic",
            *first,
            (f"{self.kept}/app2", 10),
            ("s3:bucket/app1 --no-cache --quiet --retry-lock 10m -o x snapshots", self.copied),
            (" cat config", {"id": "repository-one"}),
            (" snapshots", self.sent),
            (" stats", stats),
        )

    def ledger(self, name="app1"):
        return json.loads((self.state / "ledger" / f"{name}.json").read_text())

    def told(self, name):
        return (self.metrics / f"xteam-files_{name}.prom").read_text()


@pytest.fixture
def host(tmp_path):
    with Keeper(tmp_path) as made:
        yield made


def run(host, *words):
    return host.main("xteam_files_keep.__main__", *words)


def test_what_arrived_is_noted_with_its_time(host):
    host.arrive(1, 2)
    host.arrive(2, 1, hostname="app2")
    assert run(host, "record", "app1") == 0
    assert [round(NOW - one["arrived"]) for one in host.ledger()["arrivals"]] == [2 * HOUR, HOUR]
    told = host.told("kept")
    assert 'xteam_files_kept_snapshots{host="app1"} 1.0' in told and 'xteam_files_kept_refused{host="app1"} 1.0' in told
    assert 'xteam_files_kept_files{host="app1"} 10.0' in told
    assert run(host, "done", "record") == 0


def test_snapshot_that_cannot_be_opened_is_refused_and_tried_again(host):
    host.arrive(1, 2)
    host.answer((" stats", 1))
    assert run(host, "record", "app1") == 0
    assert host.ledger()["arrivals"] == [] and 'refused{host="app1"} 1.0' in host.told("kept")
    host.answer()
    assert run(host, "record", "app1") == 0
    assert len(host.ledger()["arrivals"]) == 1


def test_expired_snapshots_are_removed_by_their_arrival(host):
    for number, hours in enumerate((9, 5, 1), 1):
        host.arrive(number, hours)
    host.answer((" forget ", f"sh:rm {host.kept}/app1/snapshots/1*"))
    assert run(host, "expire", "app1") == 0
    (removed,) = host.calls("forget")
    assert "1" * 64 in removed and "2" * 64 not in removed and "--prune" in removed
    assert len(host.ledger()["arrivals"]) == 2


def test_nothing_expires_once_backups_are_gone(host, capsys):
    for number, hours in enumerate((9, 5, 1), 1):
        host.arrive(number, hours)
    assert run(host, "record", "app1") == 0
    (host.kept / "app1" / "snapshots" / ("3" * 64)).unlink()
    host.calls()
    assert run(host, "expire", "app1") == 0
    assert not host.calls("forget") and "1 backups are gone that have not expired" in host.ledger()["held"]
    assert "docs/runbooks/files-shrunk.md" in capsys.readouterr().out
    assert run(host, "accept", "app1") == 0 and host.ledger()["held"] == ""


def test_another_repository_in_its_place_holds_everything(host):
    host.arrive(1, 9)
    assert run(host, "record", "app1") == 0
    host.arrive(2, 1)
    host.answer((" cat config", {"id": "repository-two"}))
    assert run(host, "record", "app1") == 0
    assert "the repository is another one" in host.ledger()["held"]


def test_shrunken_files_hold_everything(host):
    for number in range(1, 4):
        host.arrive(number, 80 - number)
    assert run(host, "record", "app1") == 0
    host.arrive(4, 1)
    host.answer(size=1)
    assert run(host, "record", "app1") == 0
    assert host.ledger()["held"]


def test_host_that_has_sent_nothing_is_no_failure(host, capsys):
    host.answer()
    for job in ("expire", "copy"):
        assert run(host, job, "app2") == 0
    assert capsys.readouterr().out.count("app2 has sent nothing yet") == 2


def test_named_backups_are_dropped_and_a_wrong_name_removes_nothing(host):
    host.arrive(1, 9)
    host.arrive(2, 1)
    error = host.load("xteam_restic.programs").BackupError
    with pytest.raises(error, match="nothing is removed"):
        run(host, "drop", "app1", "1" * 8, "f" * 8)
    assert not host.calls("forget")
    assert run(host, "drop", "app1", "1" * 8) == 0
    calls = host.calls()
    assert any("forget" in one and "1" * 64 in one for one in calls)
    assert any("try-restart restic-rest-server.service" in one for one in calls), "it counts what is kept anew"
    assert run(host, "drop", "app1") == 0
    assert host.calls(" prune") and not host.calls("forget")


def test_newest_backup_is_copied_and_expired_copies_are_removed(host):
    host.arrive(1, 80)
    host.arrive(2, 1)
    old = {**host.sent[0], "id": "c1", "time": "2026-01-01T00:00:00Z", "tree": "old"}
    older = {**old, "id": "c0", "time": "2025-12-01T00:00:00Z"}
    host.copied = [older, old, {**host.sent[0], "id": "c2"}, {**host.sent[1], "id": "c3"}]
    host.answer()
    assert run(host, "copy", "app1") == 0
    calls = host.calls()
    assert any("copy --no-lock --from-repo" in one and "2" * 64 in one for one in calls)
    (removed,) = [one for one in calls if "forget" in one]
    assert removed.startswith("restic s3:bucket/app1") and "c0 c1" in removed and "c2" not in removed
    assert "xteam_files_copy_success_timestamp_seconds" in host.told("keep")
    assert run(host, "done", "copy") == 0


def test_copy_is_made_like_its_source_when_it_is_not_there(host):
    host.arrive(1, 1)
    host.copied = [{**host.sent[0], "id": "c1"}]
    host.answer(("s3:bucket/app1 --no-cache --quiet --retry-lock 10m -o x cat config", 10))
    assert run(host, "copy", "app1") == 0
    assert "--copy-chunker-params --from-repo" in host.calls("init")[0]


def test_copy_that_did_not_arrive_fails(host, capsys):
    host.arrive(1, 1)
    assert run(host, "copy", "app1") == 1
    assert "did not arrive in s3:bucket/app1" in capsys.readouterr().err
    assert "xteam_files_copy_failure_timestamp_seconds" in host.told("keep")


def test_nothing_is_copied_when_no_backup_counts(host, capsys):
    host.arrive(1, 1, hostname="app2")
    assert run(host, "copy", "app1") == 1
    assert "none of 1 backups counts" in capsys.readouterr().err


@pytest.mark.parametrize(("came", "status"), [("touch $9/a", 0), ("touch $9/a $9/b", 1)])
def test_proof_compares_what_came_back(host, came, status):
    host.arrive(1, 1)
    host.copied = [{**host.sent[0], "id": "c1"}]
    place = f"{host.state}/proof-app1"
    restore = f"sh:mkdir -p {place}; {came.replace('$9', place)}"
    host.answer((" restore ", restore), (" ls ", '{"type": "file"}'))
    assert run(host, "prove", "app1") == status
    assert run(host, "done", "prove") == status


def test_repository_is_made_anew_from_the_bucket(host, monkeypatch):
    host.arrive(1, 5)
    assert run(host, "record", "app1") == 0
    host.copied = [{**host.sent[0], "id": "c1"}]
    host.answer()
    assert run(host, "fetch", "app1") == 1, "it is there"
    (host.kept / "app1").rename(host.kept / "lost")
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    new = host.kept / ".app1.fetched"
    host.answer((f"{host.kept}/app1 --no-cache --quiet --retry-lock 10m cat config", 10), ("init", f"sh:mkdir {new}"))
    assert run(host, "fetch", "app1") == 0
    assert (host.kept / "app1").is_dir() and not new.exists()
    assert round(NOW - host.ledger()["arrivals"][0]["arrived"]) == 5 * HOUR, "its time of arrival came back too"


def test_list_says_what_does_not_count(host, capsys):
    host.arrive(1, 2)
    host.arrive(2, 1, paths=["/srv/other"])
    host.answer(("s3:bucket/app2", []))
    assert run(host, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "11111111" in lines[0] and lines[1].endswith(f"without {DIRECTORY}")


def test_wrong_calls_are_refused(host, capsys):
    host.answer()
    for words, why in (
        (["record", "db1"], "no backups of db1; there are app1, app2"),
        (["fetch"], "say which host's"),
    ):
        with pytest.raises(SystemExit) as ended:
            run(host, *words)
        assert ended.value.code == 2 and why in capsys.readouterr().err
    assert run(host, "done", "everything") == 1 and run(host, "done", "record") == 1


def test_there_is_no_copy_without_a_bucket(tmp_path, capsys):
    with Keeper(tmp_path, bucket=None) as host, pytest.raises(SystemExit):
        run(host, "copy")
    assert "there is no copy" in capsys.readouterr().err


def test_damaged_ledger_is_refused(host, capsys):
    host.arrive(1, 2)
    (host.state / "ledger").mkdir(exist_ok=True)
    (host.state / "ledger" / "app1.json").write_text("{}")
    assert run(host, "record", "app1") == 1
    assert "is damaged" in capsys.readouterr().err


def test_other_password_is_said_with_its_secret(host, capsys):
    host.arrive(1, 2)
    host.answer((" cat config", 12))
    assert run(host, "record", "app1") == 1
    assert "give files/app1/cipher in the secrets store its old value" in capsys.readouterr().err


def test_program_that_hangs_is_ended(host):
    programs = host.load("xteam_restic.programs")
    host.program("restic", ("x", "sh:exec sleep 5"))
    with pytest.raises(programs.BackupError, match=r"has not ended within 0\.2 seconds"):
        programs.run("restic", "x", seconds=0.2)
