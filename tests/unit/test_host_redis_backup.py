"""xteam-redis-backup on the backup host: from whom it takes, what it keeps, proves, and refuses."""

import hashlib
import json
import os

import pytest
from host_programs import Host

KEPT = {"short_id": "abcdef01", "time": "2026-11-30T10:00:00.123456789Z", "tags": ["queue"], "id": "f" * 64}
REPOSITORIES = [
    {"number": 1, "url": "/repository", "cipher": "redis/one", "keep": {"daily": 2}, "options": []},
    {"number": 2, "url": "s3:bucket", "cipher": "redis/two", "keep": {"daily": 2}, "options": ["-o", "x"]},
]
SHA256 = hashlib.sha256(b"data").hexdigest()
UP = "master_link_status:up"
RDB = "sh:for last; do :; done; case $* in *--rdb*) printf data > $last;; esac"


class Keeper(Host):
    """The backup host, with a role `queue` that has a master and a replica."""

    def __init__(self, root, repositories=REPOSITORIES):
        super().__init__(root)
        (root / "state").mkdir()
        settings = {
            "state": f"{root}/state",
            "roles": {"queue": 6380},
            "seconds": 5,
            "ca": "/ca.crt",
            "sentinels": ["10.0.0.8", "10.0.0.9"],
            "sentinel_port": 26379,
            "repositories": repositories,
        }
        self.file("/etc/xteam/redis-backup/settings.json", settings)
        self.file("/var/lib/prometheus/node-exporter/x")
        for name in ("queue", "sentinel"):
            self.file(f"/etc/xteam/redis-backup/{name}.pass", f"password of {name}\n")
        self.restic()
        self.redis()
        self.program("redis-check-rdb", ("", "[info] 42 keys read"))

    def restic(self, *first):
        self.program("restic", *first, (" snapshots", [KEPT]), (" cat config", {"id": "one"}))

    def redis(self, *first):
        self.program(
            "redis-cli",
            *first,
            ("REPLICAS", [{"ip": "10.0.0.9"}, {"ip": "10.0.0.10"}]),
            ("GET-MASTER-ADDR-BY-NAME", ["10.0.0.8", 6380]),
            (
                "10.0.0.10 -p 6380 --tls --cacert /ca.crt --user backup --no-auth-warning -e INFO",
                "master_link_status:up",
            ),
            ("INFO", "master_link_status:down"),
            ("--rdb", RDB),
        )

    def told(self):
        return (self.root / "var/lib/prometheus/node-exporter/xteam-redis_backup.prom").read_text()


@pytest.fixture
def host(tmp_path):
    with Keeper(tmp_path) as made:
        yield made


def run(host, *words):
    return host.main("xteam_redis_backup.__main__", *words)


def test_snapshot_is_taken_from_a_replica_in_touch_with_its_master(host, capsys):
    assert run(host, "take") == 0
    assert "queue: 42 keys, 4 bytes from 10.0.0.10" in capsys.readouterr().out
    calls = host.calls()
    assert any("backup --host redis --tag queue queue" in one for one in calls)
    assert any("forget --group-by tags --keep-daily 2 --prune" in one for one in calls), "what expired is removed"
    assert not any("password of" in one for one in calls), "a password is in a command line"
    assert 'xteam_redis_backup_keys{repository="1",role="queue"} 42' in host.told()
    assert not list((host.root / "state" / "work").iterdir()), "what is not encrypted stays"


def test_master_gives_it_when_no_replica_is_in_touch(host, capsys):
    host.redis(("-e INFO", "master_link_status:down"))
    assert run(host, "take") == 0
    assert "from 10.0.0.8" in capsys.readouterr().out


def test_next_sentinel_is_asked_when_one_does_not_answer(host):
    host.redis(("-h 10.0.0.8 -p 26379", 1))
    assert run(host, "take") == 0
    host.redis(("26379", 1))
    assert run(host, "take") == 1


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ([("26379", 1)], "no Sentinel says who is master"),
        ([("--rdb", 1)], "no instance gives a snapshot: 10.0.0.10"),
    ],
)
def test_failed_backup_is_told(host, capsys, first, why):
    host.redis(*first)
    assert run(host, "take") == 1
    assert why in capsys.readouterr().err
    assert "xteam_redis_backup_last_failure_timestamp_seconds" in host.told()


def test_damaged_snapshot_is_not_kept(host, capsys):
    host.program("redis-check-rdb", ("", 1))
    assert run(host, "take") == 1
    assert not host.calls("backup --host")
    host.program("redis-check-rdb", ("", "fine"))
    assert run(host, "take") == 1
    assert "does not say how many keys it read" in capsys.readouterr().err


def test_newest_snapshot_is_copied(host, capsys):
    assert run(host, "copy") == 0
    assert "copy --no-lock --from-repo /repository" in "".join(host.calls())
    host.restic(
        ("s3:bucket --no-cache --quiet --retry-lock 10m -o x snapshots", [{**KEPT, "time": "2026-11-29T10:00:00Z"}])
    )
    assert run(host, "copy") == 1
    assert "did not arrive in repository 2" in capsys.readouterr().err


@pytest.fixture
def restored(host):
    """What restic restores: a snapshot of 42 keys; and the scratch instance that has loaded it."""

    def answer(keys=42, loaded=40, expired=2, unreadable=0, sha256=SHA256):
        facts = json.dumps({"sha256": sha256, "keys": keys, "taken": "2026-11-30T10:00:00+00:00"})
        # --target is the word before the last one.
        place = 'while [ "$1" != --target ]; do shift; done; mkdir -p $2/queue; printf data > $2/queue/dump.rdb'
        host.restic((" restore ", f"sh:{place}; printf '%s' '{facts}' > $2/queue/facts.json"))
        info = f"loading:0 db0:keys rdb_last_load_keys_loaded:{loaded} rdb_last_load_keys_expired:{expired}"
        host.program("redis-cli", ("EVAL", f"100 {unreadable}"), ("INFO", info))
        host.program("redis-server", ("", "sh:exec sleep 30"))

    answer()
    return answer


def test_proof_counts_and_reads_what_came_back(host, restored, capsys):
    assert run(host, "prove") == 0
    assert (
        "40 keys of 2026-11-30T10:00:00+00:00 are back from repository 2, 100 of them read" in capsys.readouterr().out
    )
    found = json.loads((host.root / "state/proofs/queue.repository1.json").read_text())
    assert (found["loaded"], found["sampled"]) == (40, 100)
    assert run(host, "done", "prove") == 0


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"loaded": 30}, "42 keys were stored, 30 and 2 expired are back"),
        ({"unreadable": 3}, "of 100 sampled keys 3 have no value"),
        ({"sha256": "0"}, "the snapshot is not what was stored"),
    ],
)
def test_proof_fails_when_something_is_missing(host, restored, capsys, fault, why):
    restored(**fault)
    assert run(host, "prove", "queue") == 1
    assert why in capsys.readouterr().err


def test_scratch_instance_that_does_not_load_fails_the_proof(host, restored, monkeypatch):
    host.program("redis-cli", ("INFO", 1))
    monkeypatch.setattr(host.load("xteam_redis_backup.prove"), "SECONDS", 0.3)
    assert run(host, "prove", "queue") == 1


def test_repositories_are_made_once(host, capsys):
    assert run(host, "init") == 0 and not host.calls(" init")
    host.restic((" cat config", 10))
    assert run(host, "init") == 0
    first, second = host.calls(" init")
    assert "--copy-chunker-params" in second and "--copy-chunker-params" not in first
    assert "repository 2 was made" in capsys.readouterr().out
    assert run(host, "done", "init") == 1


def test_what_is_done_is_known(host):
    assert run(host, "done", "init") == 0 and run(host, "done", "take") == 0 and run(host, "done", "prove") == 1


def test_list_goes_on_past_a_repository_that_does_not_open(host, capsys):
    host.restic(("/repository", 12))
    assert run(host, "list") == 1
    said = capsys.readouterr()
    assert "2  abcdef01  2026-11-30T10:00:00  queue" in said.out and "give redis/one in the secrets store" in said.err


def test_snapshot_is_offered(host, restored, monkeypatch):
    run_as = []
    monkeypatch.setattr("os.execvp", lambda *words: run_as.append(words))
    assert run(host, "serve", "queue:abcdef01:1") == 0
    ((_, words),) = run_as
    assert words[1].endswith("/etc/xteam/redis-backup/serve-queue.conf")


@pytest.mark.parametrize(
    ("words", "why"), [("queue:../x:1", "latest, or an id"), ("queue:latest:9", "no repository 9")]
)
def test_odd_offers_are_refused(host, words, why):
    with pytest.raises(host.load("xteam_restic.programs").BackupError, match=why):
        run(host, "serve", words)


@pytest.mark.parametrize("words", [["take", "no-role"], ["serve", "queue"], ["done", "all"]])
def test_wrong_calls_are_refused(host, words):
    with pytest.raises(SystemExit) as ended:
        run(host, *words)
    assert ended.value.code == 2


def test_there_is_no_copy_without_a_bucket(tmp_path, capsys):
    with Keeper(tmp_path, REPOSITORIES[:1]) as host, pytest.raises(SystemExit):
        run(host, "copy")
    assert "backup_s3_bucket is not set" in capsys.readouterr().err


def test_what_a_killed_run_left_is_removed(host):
    left = host.root / "state/work/left"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    assert run(host, "take") == 0
    assert not left.exists()
