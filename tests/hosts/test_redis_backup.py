"""Backups of Redis: what the repository holds, whether it was proved, and who can read it."""

import json
import re
import time
from datetime import datetime

import pytest

from checklist.run import not_applicable

pytestmark = pytest.mark.group("backup", first=True)
KEY_FILE = "/etc/xteam/redis-backup/restic.pass"
METRICS = "/var/lib/prometheus/node-exporter/xteam-redis_backup.prom"
REDIS_MAGIC = "REDIS00"


def seconds_since(text):
    """Of a time with its zone; restic writes nanoseconds, which Python doesn't read."""
    return time.time() - datetime.fromisoformat(re.sub(r"\.\d+", "", text)).timestamp()


@pytest.fixture
def kept(estate):
    """Roles of which snapshots are kept."""
    if not estate.members("redis"):
        not_applicable("no Redis host")
    return estate.redis.backed_up()


@pytest.fixture
def snapshots(host, estate):
    """{role: its snapshots, oldest first}, read by restic itself."""
    repository = f"--repo {estate.redis.redis_backup_path}/restic --password-file {KEY_FILE}"
    restic = f"restic --no-cache --no-lock {repository}"
    found = {}
    for one in host.json(f"{restic} snapshots --json"):
        found.setdefault(one["tags"][0], []).append(one)
    return found


@pytest.mark.item("RED-02")
def test_snapshots_are_recent(estate, kept, snapshots):
    for role in kept:
        assert snapshots.get(role), f"there is no snapshot of {role}"
        minutes = seconds_since(snapshots[role][-1]["time"]) / 60
        limit = estate.redis.redis_backup_max_age_minutes
        assert minutes <= limit, f"the newest snapshot of {role} is {minutes:.0f} minutes old"


@pytest.mark.item("RED-02")
def test_the_newest_snapshots_were_restored(host, estate, kept):
    """By the scratch instance's own count: every key that was stored is back, and those that were read have a value."""
    for role in kept:
        path = f"{estate.redis.redis_backup_path}/state/proofs/{role}.json"
        assert host.file(path).exists, f"no snapshot of {role} was ever restored"
        proof = json.loads(host.check_output("cat %s", path))
        days = seconds_since(proof["proved"]) / 86_400
        assert days <= estate.redis.redis_backup_prove_max_age_days, f"{role} was proved {days:.1f} days ago"
        assert proof["loaded"] + proof["expired"] == proof["keys"], f"{role}: keys are missing: {proof}"
        assert proof["unreadable"] == 0, f"{role}: keys without value: {proof}"


@pytest.mark.item("RED-02")
@pytest.mark.parametrize("name", ["backup", "prove"])
def test_timers_run(host, estate, kept, name):
    """At the declared times, the next one is set, and the last one did not fail."""
    wanted = {"backup": estate.redis.redis_backup_on, "prove": estate.redis.redis_backup_prove_on}[name]
    timer = host.service(f"xteam-redis-{name}.timer")
    assert timer.is_running and timer.is_enabled, f"xteam-redis-{name}.timer does not run"
    times = host.check_output(f"systemctl show --property TimersCalendar --value xteam-redis-{name}.timer")
    normal = re.search(r"Normalized form: (.*)", host.check_output("systemd-analyze calendar %s", wanted)).group(1)
    assert f"OnCalendar={normal} " in times, f"xteam-redis-{name}.timer elapses at {times}, not at {normal}"
    result = host.check_output(f"systemctl show --property Result --value xteam-redis-{name}.service")
    assert result == "success", f"xteam-redis-{name}.service ended with {result}"


@pytest.mark.item("RED-02")
def test_only_the_backup_host_can_read_them(host, hosts, estate, kept, secret):
    """Nothing in the repository is plain, and its password is root's alone and on no Redis host."""
    plain = host.run(f"grep -rlaF {REDIS_MAGIC} {estate.redis.redis_backup_path}/restic").stdout
    assert not plain, f"not encrypted: {plain}"
    assert host.file(KEY_FILE).mode == 0o600, "others can read the repository's password"
    for other in hosts.group("redis"):
        if other.name != host.name:
            found = other.run_with_stdin("grep -rlsF -f - /etc/xteam /etc/redis", secret("redis/backup-cipher")).stdout
            assert not found, f"{other.name} holds the repository's password: {found}"


@pytest.mark.item("RED-02")
def test_no_snapshot_is_offered(host, estate, kept):
    """Only while a restore runs."""
    listening = host.check_output("ss -Hltn")
    assert f":{estate.redis.redis_restore_port} " not in listening, "a snapshot is offered though no restore runs"


def test_figures_are_exported(host, kept, snapshots):
    """Of every role, for the node exporter; the time of success is the newest snapshot's."""
    assert host.file(METRICS).exists, "no figures are exported"
    text = host.check_output("cat %s", METRICS)
    for role in kept:
        found = dict(re.findall(rf'xteam_redis_backup_(\w+){{role="{role}"}} (\S+)', text))
        age = time.time() - float(found["last_success_timestamp_seconds"])
        assert abs(age - seconds_since(snapshots[role][-1]["time"])) < 60, f"{role}: {found} is not the newest snapshot"
        assert {"keys", "size_bytes", "restore_test_success_timestamp_seconds"} <= set(found), f"{role}: only {found}"
