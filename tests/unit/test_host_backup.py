"""PostgreSQL's backups on the backup host: jobs, figures, restores beside and in place, drills, rehearsals."""

import json
import time

import pytest
from host_programs import Host

NOW = round(time.time())
BACKUP = {
    "label": "20261130-010000F",
    "type": "full",
    "error": False,
    "timestamp": {"start": NOW - 7300, "stop": NOW - 7200},
    "lsn": {"stop": "0/5000000"},
    "info": {"size": 1000, "repository": {"delta": 500}},
    "archive": {"start": "000000010000000000000005"},
    "database": {"id": 1, "repo-key": 1},
}
STANZA = {
    "db": [{"id": 1, "repo-key": 1, "system-id": 77}],
    "backup": [BACKUP],
    "repo": [{"key": 1, "status": {"code": 0, "message": "ok"}}],
    "archive": [{"id": "17-1", "database": {"repo-key": 1}}],
}
SEGMENTS = {"x/000000010000000000000005-1": {"time": NOW - 60}, "x/000000010000000000000007-1": {"time": NOW}}
ENDED_EARLY = "FATAL: recovery ended before configured recovery target was reached"


class Keeper(Host):
    """The backup host; its repository is of cluster 77, which runs."""

    def __init__(self, root):
        super().__init__(root)
        self.scratch = root / "scratch"
        self.scratch.mkdir()
        (root / "rehearsals").mkdir()
        self.settings = {
            "stanza": "main",
            "repositories": [1],
            "paths": {"1": "/repository"},
            "keys": "/etc/keys.conf",
            "directory": str(self.scratch),
            "processes": 2,
            "preload": "pgaudit",
            "memory_mb": 256,
            "port": 5499,
            "seconds": 2,
            "archive_seconds": 0,
            "database": "xteam",
            "migrator": "migrator",
            "rehearsals": f"{root}/rehearsals",
            "ca": "/ca.crt",
            "migrate_module": "xteam.migrate",
        }
        self.file("/etc/xteam/backup.json", self.settings)
        self.file("/etc/pgbackrest.conf", "pg1-path=/data\n")
        self.file("/var/lib/xteam/backup/cluster", "77\n")
        self.file("/var/lib/prometheus/node-exporter/x")
        self.file("/var/spool/pgbackrest/x")
        self.program("runuser", ("", 'sh:while [ "$1" != -- ]; do shift; done; shift; exec "$@"'))
        self.program("du", ("", "12 x"))
        self.program("journalctl", ("", "LOG:  last completed transaction was at 10:00"))
        self.pgbackrest()
        self.psql()
        self.states("inactive", "active")

    def pgbackrest(self, *first, stanza=STANZA):
        made = f"sh:for d in {self.scratch}/*; do mkdir -p $d/data; done"
        self.program("pgbackrest", *first, (" info", [stanza]), (" repo-ls", SEGMENTS), (" restore", made))

    def psql(self, *first):
        rows = ("count(*) filter", "60|0|12.5")
        self.program(
            "psql",
            *first,
            ("select 1", "1"),
            ("system_identifier", "77"),
            rows,
            ("pg_database", "xteam"),
            ("pg_stat_user_tables", "users 10"),
            ("select count(*)", "9"),
        )

    def states(self, before, after):
        """What systemd says of a scratch instance before it was started, and after."""
        started = self.root / "started"
        started.unlink(missing_ok=True)
        state = f"if [ -e {started} ]; then echo {after}; else echo {before}; fi"
        self.program("systemctl", ("ActiveState", f"sh:{state}"), (" start ", f"sh:touch {started}"))

    def result(self, name):
        return json.loads((self.root / f"var/lib/xteam/backup/{name}.json").read_text())


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with Keeper(tmp_path) as made:
        # As on a host: this file is none of the project's.
        monkeypatch.setattr(made.load("xteam_backup.reached"), "CONFIG", tmp_path / "etc/pgbackrest.conf")
        yield made


def job(host, name):
    return host.main("xteam_backup.jobs", name)


def restore(host, *words):
    return host.main("xteam_backup.restore", *words)


# --- Jobs and figures


def test_good_backup_is_noted_with_its_cluster(host):
    assert job(host, "repo1-full") == 0
    assert host.calls("--repo=1 --type=full backup")
    assert host.result("repo1-full")["good"] is True and host.result("repo1-full")["cluster"] == "77"


@pytest.mark.parametrize(
    ("words", "noted"), [("backup and archive info files do not match the database", "another"), ("no", "77")]
)
def test_backup_of_another_cluster_is_noted(host, words, noted):
    host.pgbackrest((" backup", f"sh:echo '{words}'; exit 28"))
    assert job(host, "repo1-full") == 1
    assert (host.root / "var/lib/xteam/backup/cluster").read_text().strip() == noted


@pytest.mark.parametrize("kind", ["verify", "expire"])
def test_nothing_is_removed_or_proved_of_another_cluster(host, kind):
    assert job(host, f"repo1-{kind}") == 0
    host.file("/var/lib/xteam/backup/cluster", "88\n")
    host.calls()
    assert job(host, f"repo1-{kind}") == 1
    assert not host.calls(f" {kind}")


def test_damaged_file_fails_the_verification(host):
    host.pgbackrest((" verify", "status: error"))
    assert job(host, "repo1-verify") == 1


def test_check_waits_for_a_segment(host):
    assert job(host, "check") == 0
    assert host.calls("--archive-timeout=60 check")


def test_figures_tell_of_missing_segments(host):
    assert job(host, "repo1-full") == 0
    assert host.main("xteam_backup.metrics") == 0
    told = (host.root / "var/lib/prometheus/node-exporter/xteam-backup.prom").read_text()
    for line in (
        'xteam_backup_repository_status_code{repository="1"} 0',
        'xteam_backup_cluster_matches{repository="1"} 1',
        'xteam_backup_wal_missing_segments{repository="1"} 1',
        'xteam_backup_duration_seconds{repository="1",type="full"} 100',
        'xteam_backup_job_success{job="repo1-full"} 1',
    ):
        assert line in told


def test_unreadable_repository_is_missing_in_the_figures(host, capsys):
    host.pgbackrest((" info", "no JSON"))
    assert host.main("xteam_backup.metrics") == 1
    assert "the repository can't be read" in capsys.readouterr().err


# --- Restores beside the repository


def test_restore_into_a_scratch_instance_says_what_is_in_it(host, capsys):
    assert restore(host, "to", "latest") == 0
    said = capsys.readouterr().out
    assert "open: the end of the archive" in said and "xteam: users: 9 rows" in said and "xteam-restore remove" in said
    assert (host.scratch / "latest" / "pg_hba.conf").read_text() == "local all all peer\n"
    assert host.calls("--type=default --target-timeline=latest restore")
    assert restore(host, "list") == 0 and "latest" in capsys.readouterr().out
    assert restore(host, "to", "latest") == 1 and "Replace it: --data replace=true" in capsys.readouterr().err
    assert restore(host, "to", "latest", "--replace") == 0
    assert restore(host, "remove", "latest") == 0 and not list(host.scratch.iterdir())


def test_archive_that_ends_early_is_taken_whole(host, capsys):
    host.program("journalctl", ("", ENDED_EARLY))
    data = host.scratch / "0-5000028" / "data"
    # The first start ends, the one without a target does not.
    state = f"if grep -qs lsn {data}/postgresql.auto.conf; then echo active; else echo failed; fi"
    host.program("systemctl", ("ActiveState", f"sh:{state}"))
    assert restore(host, "to", "0/5000028") == 0
    assert "all that is archived was replayed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "why"), [("latest", "did not come up"), ("name:before", "is not after the newest backup")]
)
def test_instance_that_does_not_open_leaves_nothing_behind(host, capsys, target, why):
    host.states("failed", "failed")
    assert restore(host, "to", target) == 1
    assert why in capsys.readouterr().err and not list(host.scratch.iterdir())


def test_instance_that_does_not_answer_in_time_fails(host, capsys):
    host.psql(("select 1", 2))
    assert restore(host, "to", "latest") == 1
    assert not list(host.scratch.iterdir())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["to", "2026-11-01 07:40:00+00"], "is before the first backup"),
        (["to", "0/1"], "which ends at 0/5000000"),
        (["to", "yesterday"], "is not understood"),
        (["to", "2999-01-01 00:00:00+00"], "is in the future"),
        (["to", "latest", "--repo", "2"], "there is no repository 2"),
        (["to", "latest", "--backup", "other"], "there is no backup 'other'"),
        (["remove", "none"], "there is no scratch instance 'none'; there are: none"),
    ],
)
def test_impossible_restores_are_refused(host, capsys, words, why):
    assert restore(host, *words) == 1
    assert why in capsys.readouterr().err


def test_only_root_restores(host, capsys, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert restore(host, "list") == 1
    assert "run this as root" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "why"), [(2, "there is no backup yet in repository 1"), (99, "can't be used")])
def test_repository_without_backups_is_refused(host, capsys, code, why):
    host.pgbackrest(stanza={**STANZA, "backup": [], "repo": [{"key": 1, "status": {"code": code, "message": "x"}}]})
    assert restore(host, "to", "latest") == 1
    assert why in capsys.readouterr().err


def test_full_disk_is_refused(host, capsys):
    huge = {**BACKUP, "info": {"size": 2**60, "repository": {}}}
    host.pgbackrest(stanza={**STANZA, "backup": [huge]})
    assert restore(host, "to", "latest") == 1
    assert "GiB free; this restore needs" in capsys.readouterr().err


# --- Drills and rehearsals


def test_good_drill_is_kept_and_leaves_nothing_behind(host):
    programs = host.root / "usr/lib/postgresql/17/bin"
    programs.mkdir(parents=True)
    for name in ("pg_amcheck", "pg_checksums"):
        host.program(name)
        (programs / name).symlink_to(host.bin / name)
    assert restore(host, "drill", "next") == 0
    found = host.result("drill-repo1")
    assert (found["good"], found["markers"], found["rpo_seconds"], found["cluster"]) == (True, 60, 12.5, "77")
    assert not list(host.scratch.iterdir())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (("system_identifier", "66"), "the newest backup is of cluster 66, the cluster that runs is 77"),
        (("count(*) filter", "0|0|"), "no marker came back"),
        (("count(*) filter", "60|2|1"), "2 of 60 markers do not follow"),
        (("count(*) filter", "60|0|9000"), "the newest row is 9000 s old"),
    ],
)
def test_failed_drill_is_kept_with_its_reason(host, answer, why):
    host.psql(answer)
    assert restore(host, "drill", "repo1") == 1
    found = host.result("drill-repo1")
    assert found["good"] is False and why in found["message"] and not list(host.scratch.iterdir())


@pytest.mark.parametrize(("status", "ended"), [("exit 0", 0), ("exit 1", 1)])
def test_rehearsal_migrates_a_copy_and_removes_it(host, capsys, status, ended):
    (host.root / "rehearsals" / "abc").mkdir()
    host.program("systemd-run", ("", f"sh:echo upgrade; {status}"))
    assert restore(host, "rehearse", "abc") == ended
    said = capsys.readouterr()
    assert "upgrade" in said.out and not list(host.scratch.iterdir()) and not (host.root / "rehearsals/abc").exists()
    assert ("the migrations of abc fail on a copy of the data" in said.err) == bool(ended)
    assert "PrivateNetwork=yes" in host.calls("systemd-run")[0]


# --- In place, on a database host


@pytest.fixture
def database(host):
    """A database host with old data, on which PostgreSQL is stopped. `running`: pg_ctl status says so after a start."""
    data = host.root / "var/lib/postgresql/17/main"
    data.mkdir(parents=True)
    (data / "old").touch()
    programs = host.root / "usr/lib/postgresql/17/bin"
    programs.mkdir(parents=True)
    started = host.root / "started"

    def answer(after=0):
        host.program(
            "pg_ctl", (" start ", f"sh:touch {started}"), (" status ", f"sh:[ -e {started} ] && exit {after}; exit 3")
        )
        auto = f"printf 'restore_command = x\\nport = 1\\n' > {data}/postgresql.auto.conf"
        host.pgbackrest((" restore", f"sh:{auto}"))

    answer()
    (programs / "pg_ctl").symlink_to(host.bin / "pg_ctl")
    host.answer_pg_ctl = answer
    return data


def test_restore_in_place_keeps_the_old_data_aside(host, database):
    assert restore(host, "cluster", "latest") == 0
    (aside,) = database.parent.glob("main.before-*")
    assert (aside / "old").exists()
    assert (database / "postgresql.auto.conf").read_text() == "port = 1\n", "what led to the target stays"
    assert not (database.parent / "restoring").exists()


def test_failed_restore_in_place_brings_the_old_data_back(host, database, capsys):
    host.answer_pg_ctl(after=3)
    assert restore(host, "cluster", "latest") == 1
    assert "the old data directory is back" in capsys.readouterr().out
    assert (database / "old").exists() and not list(database.parent.glob("main.before-*"))


def test_restore_in_place_is_refused_while_postgres_runs(host, database, capsys):
    (host.root / "started").touch()
    assert restore(host, "aside") == 1
    assert "stop Patroni first" in capsys.readouterr().err and (database / "old").exists()


def test_restore_in_place_can_be_checked_before(host, database):
    assert restore(host, "cluster-check", "latest") == 0
    assert (database / "old").exists()


def test_data_directory_is_moved_aside_once(host, database):
    assert restore(host, "aside") == 0 and not database.exists()
    assert restore(host, "aside") == 0 and len(list(database.parent.glob("main.before-*"))) == 1
