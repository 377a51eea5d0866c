"""Backups of Redis: what the repository holds, whether it was proved, and who can read it."""

import json
import re
import shlex
from datetime import datetime
from itertools import product

import ages
import pytest

from checklist.run import not_applicable
from xteam_infra.cloud import live
from xteam_infra.layers.redis_backup.needs import PREFIX, repositories
from xteam_infra.layers.redis_backup.operations import CLOCKS
from xteam_infra.plan.needs import METRICS_DIRECTORY

pytestmark = pytest.mark.group("backup", first=True)
HOME = "/etc/xteam/redis-backup"
METRICS = f"{METRICS_DIRECTORY}/xteam-redis_backup.prom"
REDIS_MAGIC = "REDIS00"


def seconds_since(text):
    """Of a time with its zone; restic writes nanoseconds, which Python doesn't read."""
    return ages.seconds_since(datetime.fromisoformat(re.sub(r"\.\d+", "", text)).timestamp())


@pytest.fixture
def kept(estate):
    """Roles of which snapshots are kept."""
    if not estate.members("redis"):
        not_applicable("no Redis host")
    return estate.redis.backed_up()


@pytest.fixture
def idle(host, eventually):
    """No job is adding snapshots just now."""
    state = "systemctl show -p ActiveState --value xteam-redis-backup.service xteam-redis-copy.service"
    eventually(lambda: "activating" not in host.check_output(state), seconds=300, interval=1)


@pytest.fixture
def snapshots(host, estate, idle):
    """What is listed while no job adds to it."""
    return listed(host, estate)


def listed(host, estate):
    """{repository: {role: its snapshots, oldest first}}, read by restic itself."""
    found = {}
    for one in repositories(estate):
        restic = f"restic --no-cache --no-lock --password-file {one.password_file} {shlex.join(one.options)}"
        environment = f"AWS_SHARED_CREDENTIALS_FILE={HOME}/s3.credentials RESTIC_REPOSITORY={one.url}"
        roles = found[one.number] = {}
        for snapshot in host.json(f"{environment} {restic} snapshots --json"):
            roles.setdefault(snapshot["tags"][0], []).append(snapshot)
    return found


@pytest.fixture
def numbers(estate):
    """Of the repositories."""
    return [1, 2] if estate.backup.backup_s3_bucket else [1]


@pytest.mark.item("RED-02")
def test_redis_snapshots_are_recent(estate, kept, snapshots, numbers):
    limits = {1: estate.redis.redis_backup_max_age_minutes, 2: estate.redis.redis_backup_s3_max_age_minutes}
    for number, role in product(numbers, kept):
        assert snapshots[number].get(role), f"repository {number} has no snapshot of {role}"
        minutes = seconds_since(snapshots[number][role][-1]["time"]) / 60
        assert minutes <= limits[number], (
            f"the newest snapshot of {role} in repository {number} is {minutes:.0f} minutes old"
        )


@pytest.mark.item("RED-02")
def test_last_redis_restore_test_was_good(host, estate, kept, numbers):
    """By the scratch instance's own count: every key that was stored is back, and those that were read have a value."""
    for number, role in product(numbers, kept):
        path = f"{estate.redis.redis_backup_path}/state/proofs/{role}.repository{number}.json"
        assert host.file(path).exists, f"no snapshot of {role} was ever restored from repository {number}"
        proof = json.loads(host.check_output("cat %s", path))
        days = seconds_since(proof["proved"]) / 86_400
        assert days <= estate.redis.redis_backup_restore_test_max_age_days, f"{role} was proved {days:.1f} days ago"
        assert proof["loaded"] + proof["expired"] == proof["keys"], f"{role}: keys are missing: {proof}"
        assert proof["unreadable"] == 0, f"{role}: keys without value: {proof}"


@pytest.mark.item("RED-02")
def test_last_redis_restore_test_is_of_present_data(host, hosts, estate, kept, numbers):
    """A snapshot of a role that was there before, on hosts that were made anew since, proves nothing."""
    for role in kept:
        said = hosts.at_once(hosts.group("redis"), f"cat /var/lib/redis/{role}/born 2>/dev/null || echo 0")
        born = min(float(one.stdout) for one in said.values())
        for number in numbers:
            path = f"{estate.redis.redis_backup_path}/state/proofs/{role}.repository{number}.json"
            taken = datetime.fromisoformat(host.json("cat %s", path)["taken"]).timestamp()
            assert taken >= born - CLOCKS, f"what was restored of {role} is older than its data: {taken}, {born}"


@pytest.mark.item("RED-02")
@pytest.mark.parametrize("name", ["backup", "copy", "prove"])
def test_timers_run(host, estate, kept, numbers, name):
    """At the declared times, the next one is set, and the last one did not fail."""
    if name == "copy" and 2 not in numbers:
        not_applicable("backup_s3_bucket is not set: there is one repository")
    redis = estate.redis
    times = {
        "backup": redis.redis_backup_schedule,
        "copy": redis.redis_backup_s3_schedule,
        "prove": redis.redis_backup_restore_test_schedule,
    }
    wanted = times[name]
    timer = host.service(f"xteam-redis-{name}.timer")
    assert timer.is_running and timer.is_enabled, f"xteam-redis-{name}.timer does not run"
    times = host.check_output(f"systemctl show --property TimersCalendar --value xteam-redis-{name}.timer")
    normal = re.search(r"Normalized form: (.*)", host.check_output("systemd-analyze calendar %s", wanted)).group(1)
    assert f"OnCalendar={normal} " in times, f"xteam-redis-{name}.timer elapses at {times}, not at {normal}"
    result = host.check_output(f"systemctl show --property Result --value xteam-redis-{name}.service")
    assert result == "success", f"xteam-redis-{name}.service ended with {result}"


@pytest.mark.item("RED-02")
def test_backup_host_alone_has_keys_of_redis_snapshots(host, hosts, estate, kept, numbers, secret):
    """Nothing on its disk is plain; what opens the repositories is root's alone, twice different, on no Redis host."""
    plain = host.run(f"grep -rlaF {REDIS_MAGIC} {estate.redis.redis_backup_path}/restic").stdout
    assert not plain, f"not encrypted: {plain}"
    names = [f"repository{number}.pass" for number in numbers] + (["s3.credentials"] if 2 in numbers else [])
    for name in names:
        assert not host.file(f"{HOME}/{name}").mode & 0o077, f"others can read {HOME}/{name}"
    redis, backup = estate.redis, estate.backup
    ciphers = [secret(redis.redis_backup_encryption_key.name)]
    keys = []
    if 2 in numbers:
        ciphers.append(secret(redis.redis_backup_s3_encryption_key.name))
        keys.append(secret(backup.backup_s3_key.name))
    assert len(set(ciphers)) == len(ciphers), "one password opens both repositories"
    for other in hosts.group("redis"):
        if other.name != host.name:
            wanted = "\n".join([*ciphers, *keys])
            found = other.run_with_stdin("grep -rlsF -f - /etc/xteam /etc/redis", wanted).stdout
            assert not found, f"{other.name} holds what opens a repository: {found}"


@pytest.mark.item("RED-02", "BAK-06", kind="cloud")
def test_redis_copies_are_locked_in_bucket(estate, kept, s3):
    """Asked of S3: versions are locked, and leave when their lock ends; those written last are, and are encrypted."""
    if not s3:
        not_applicable("backup_s3_bucket is not set: there is one repository")
    wanted = {"Mode": estate.backup.backup_s3_lock_mode, "Days": estate.backup.backup_s3_lock_days}
    configured = live(s3, estate.backup.bucket)
    assert configured["object lock"] == wanted, f"objects are locked by {configured['object lock'] or 'nothing'}"
    rules = configured["lifecycle"] or []
    kept_days = [one.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for one in rules]
    assert wanted["Days"] in kept_days, "what restic has expired is kept for ever"
    bucket = {"Bucket": estate.backup.backup_s3_bucket}
    pages = s3.get_paginator("list_object_versions").paginate(**bucket, Prefix=f"{PREFIX}/")
    found = [one for page in pages for one in page.get("Versions", [])]
    assert any(one["Key"].startswith(f"{PREFIX}/snapshots/") for one in found), "there is no snapshot in the bucket"
    for kind in ("snapshots", "data", "index"):
        newest = max(
            (one for one in found if one["Key"].startswith(f"{PREFIX}/{kind}/")), key=lambda one: one["LastModified"]
        )
        got = s3.get_object(**bucket, Key=newest["Key"], VersionId=newest["VersionId"])
        assert got.get("ObjectLockMode") == wanted["Mode"], f"{newest['Key']} is not locked"
        assert REDIS_MAGIC.encode() not in got["Body"].read(), f"{newest['Key']} is not encrypted"


@pytest.mark.item("RED-02")
def test_no_redis_snapshot_is_served(host, estate, kept):
    """Only while a restore runs."""
    listening = host.check_output("ss -Hltn")
    assert f":{estate.redis.redis_restore_port} " not in listening, "a snapshot is offered though no restore runs"


def test_figures_are_exported(host, estate, kept, numbers, idle, eventually):
    """Of every role and repository, for the node exporter; the newest snapshot is the one that restic names."""
    assert host.file(METRICS).exists, "no figures are exported"

    def agree():
        text = host.check_output("cat %s", METRICS)
        snapshots = listed(host, estate)
        assert host.check_output("cat %s", METRICS) == text, "the figures change while restic is asked"
        told = re.findall(r"xteam_redis_backup_(\w+){(\S+)} (\S+)", text)
        for number, role in product(numbers, kept):
            labels = {f'repository="{number}"', f'role="{role}"'}
            found = {figure: value for figure, named, value in told if set(named.split(",")) == labels}
            wanted = {f"{name}_timestamp_seconds" for name in ("snapshot", "last_success", "restore_test_success")}
            wanted |= {"duration_seconds", *(("keys", "size_bytes") if number == 1 else ())}
            assert wanted <= set(found), f"{role}: repository {number} has only {found}"
            assert snapshots[number].get(role), f"repository {number} has no snapshot of {role}"
            age = ages.seconds_since(float(found["snapshot_timestamp_seconds"]))
            newest = seconds_since(snapshots[number][role][-1]["time"])
            assert abs(age - newest) < 5, f"{role}: {found} is not the newest snapshot of repository {number}"
            assert float(found["last_success_timestamp_seconds"]) >= float(found["snapshot_timestamp_seconds"])
        return True

    eventually(agree, seconds=120, interval=1)
