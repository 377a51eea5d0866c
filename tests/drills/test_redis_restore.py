"""Drills on Redis' backups: a role is put back from a snapshot, and a damaged snapshot is refused.

They interrupt the role sessions for seconds. The evidence in the report holds the figures.
"""

import json
import time
from pathlib import Path

import pytest

from checklist.run import not_applicable
from xteam_infra.layers.redis.needs import SENTINEL
from xteam_infra.secrets.vault import make_token

pytestmark = pytest.mark.group("redis", first=True)
ROLE = "sessions"
KEYS = 200


def restore(deploys, confirm=f"replace {ROLE}", snapshot="latest"):
    """tasks/restore_redis.py, as a person runs it."""
    data = {"redis_restore_role": ROLE, "redis_restore_confirm": confirm, "redis_restore_snapshot": snapshot}
    return deploys("restore_redis", **data)


@pytest.fixture
def drill_keys(host, hosts, estate):
    """Commands that make known keys of several types, and what they then hold. The keys are gone afterwards."""
    prefix = estate.redis.redis_instances[ROLE].app_keys[0].replace("*", "xteam-drill-restore-")
    make = [f"SET {prefix}{n} value-{n}" for n in range(KEYS)]
    make += [f"HSET {prefix}hash a 1 b 2", f"RPUSH {prefix}list x y z", f"SET {prefix}expires soon EX 86400"]
    look = [f"GET {prefix}{n}" for n in range(KEYS)]
    look += [f"HGETALL {prefix}hash", f"LRANGE {prefix}list 0 -1", f"GET {prefix}expires"]
    yield prefix, make, look
    master_of(host, hosts).run(f"xteam-redis {ROLE} --scan --pattern '{prefix}*' | xargs -r xteam-redis {ROLE} UNLINK")
    for one in hosts.group("redis"):
        one.run(f"rm -rf /var/lib/redis/{ROLE}/before-*")


def master_of(host, hosts):
    said = host.check_output(f"xteam-redis {SENTINEL} SENTINEL GET-MASTER-ADDR-BY-NAME {ROLE}").split()
    return next(one for one in hosts.group("redis") if one.address == said[0])


def ask(host, commands):
    return host.run_with_stdin(f"xteam-redis {ROLE}", "".join(f"{line}\n" for line in commands)).stdout


@pytest.fixture
def without_directory(hosts, estate):
    """Call it to have the backup host lose its own repository; it is back afterwards."""
    backup, home = hosts.group("backup")[0], estate.redis.redis_backup_path
    yield lambda: backup.check_output(f"mv {home}/restic {home}/restic.away")
    backup.run(f"! test -d {home}/restic.away || (rm -rf {home}/restic; mv {home}/restic.away {home}/restic)")


@pytest.mark.item("RED-02", "TST-05")
@pytest.mark.parametrize("repository", [1, 2])
def test_redis_role_is_restored_from_snapshot(
    host, hosts, estate, drill_keys, eventually, runbook, figures, repository, without_directory
):
    """By docs/runbooks/redis-restore.md, after keys were lost and altered: all as they were, on the replicas too.

    From the second repository: while the backup host has lost the first one.
    """
    if repository == 2 and not estate.backup.backup_s3_bucket:
        not_applicable("backup_s3_bucket is not set: there is one repository")
    prefix, make, look = drill_keys
    book = runbook("redis-restore")
    backup = hosts.group("backup")[0]
    master = master_of(host, hosts)
    ask(master, make)
    before = ask(master, look)
    assert before.split()[0] == "value-0"
    eventually(lambda: all(ask(one, look) == before for one in hosts.group("redis")), seconds=30, interval=1)
    book.run("take", backup, ROLE=ROLE)
    # It says so where there is no bucket.
    book.run("copy", backup, succeeds=bool(estate.backup.backup_s3_bucket), ROLE=ROLE)
    assert f"\n{repository}  " in "\n" + book.run("list", backup)
    harm = [f"DEL {prefix}{n}" for n in range(0, KEYS, 2)] + [f"SET {prefix}1 wrong", f"SET {prefix}new 1"]
    ask(master, harm)
    if repository == 2:
        without_directory()
    started = time.monotonic()
    assert f"from repository {repository}" in book.run("restore", ROLE=ROLE, NUMBER=str(repository))
    figures["restore_seconds"] = round(time.monotonic() - started, 1)
    master = master_of(host, hosts)
    assert ask(master, look) == before, "the master does not hold what was backed up"
    assert ask(master, [f"EXISTS {prefix}new"]).strip() == "0", "a key that was written after the backup is there"
    eventually(lambda: all(ask(one, look) == before for one in hosts.group("redis")), seconds=60, interval=1)
    assert "keys=" in book.run("look", host, ROLE=ROLE)
    for one in hosts.group("redis"):
        kept = one.check_output(f"ls /var/lib/redis/{ROLE}/before-*").split()
        assert "appendonlydir" in kept, f"{one.name} did not keep what it held"
        book.run("tidy", one, ROLE=ROLE)
    # In append-only mode, and from its own files: it is all there after a restart.
    assert "aof_enabled:1" in ask(master, ["INFO persistence"])
    master.check_output(f"systemctl restart redis-server@{ROLE}.service")
    eventually(lambda: ask(master, look) == before, seconds=60, interval=1)
    leftover = backup.check_output(f"ls -A {estate.redis.redis_backup_path}/state/work")
    assert not leftover, f"unencrypted data are left on the backup host: {leftover}"


@pytest.mark.item("RED-02", "TST-05")
@pytest.mark.parametrize("fault", ["altered", "not-a-snapshot"])
def test_restore_of_damaged_redis_snapshot_is_refused(host, hosts, estate, deploys, fault):
    """Put into the repository behind the backup's back; the role goes on serving as if nothing had been asked."""
    backup, master = hosts.group("backup")[0], master_of(host, hosts)
    started = [one.check_output(f"systemctl show -p MainPID redis-server@{ROLE}") for one in hosts.group("redis")]
    identifier = plant(backup, estate, fault)
    try:
        status, said = restore(deploys, snapshot=identifier)
    finally:
        backup.check_output(f"{restic(estate)} forget {identifier}")
    assert status != 0, "a damaged snapshot was restored"
    assert "not what was stored" in said or "redis-check-rdb ended with" in said, f"it says: {said[-2000:]}"
    assert started == [
        one.check_output(f"systemctl show -p MainPID redis-server@{ROLE}") for one in hosts.group("redis")
    ]
    assert "role:master" in ask(master, ["INFO replication"])


def restic(estate):
    home = estate.redis.redis_backup_path
    return f"restic -q --no-cache --repo {home}/restic --password-file /etc/xteam/redis-backup/repository1.pass"


def plant(backup, estate, fault):
    """A snapshot whose data were altered, or one whose digest fits data that are no snapshot. Its id."""
    damage = {
        "altered": "printf x | dd of=dump.rdb bs=1 seek=40 conv=notrunc status=none",
        "not-a-snapshot": (
            "head -c 200 /dev/urandom > dump.rdb;"
            ' sed -i "s/\\"sha256\\": \\"[0-9a-f]*/\\"sha256\\": \\"$(sha256sum dump.rdb | cut -c1-64)/" facts.json'
        ),
    }[fault]
    script = f"""set -e; umask 077; cd "$(mktemp -d)"
{restic(estate)} restore latest --tag {ROLE} --target . >/dev/null
(cd {ROLE}; {damage})
{restic(estate)} backup --host redis --tag {ROLE} {ROLE}
rm -r "$PWD"
{restic(estate)} snapshots --tag {ROLE} --json
"""
    return json.loads(backup.check_output(script))[-1]["short_id"]


@pytest.fixture
def another_password(estate):
    """Call it with the name of a setting: its secret is another one until the end of the drill."""
    kind, _, path = estate.all.secrets_store.partition(":")
    if kind != "file":
        not_applicable("the store is not a file")
    store = Path(path)
    before = store.read_text()

    def change(setting):
        name = getattr(estate.redis, setting).name
        store.write_text(json.dumps({**json.loads(before), name: make_token()}))

    yield change
    store.write_text(before)


@pytest.mark.item("RED-02")
@pytest.mark.parametrize("setting", ["redis_backup_encryption_key", "redis_backup_s3_encryption_key"])
def test_restore_with_another_repository_password_is_refused(hosts, estate, deploys, another_password, setting):
    """Before it is written: what is kept can still be read, and taken."""
    if setting == "redis_backup_s3_encryption_key" and not estate.backup.backup_s3_bucket:
        not_applicable("backup_s3_bucket is not set: there is one repository")
    another_password(setting)
    status, said = deploys("redis_backup")
    assert status != 0 and "has another password: give" in said, said[-2000:]
    assert getattr(estate.redis, setting).name in said
    assert hosts.group("backup")[0].run("xteam-redis-backup list").rc == 0, "the repositories can't be read any more"


def test_unconfirmed_redis_restore_is_refused(deploys):
    status, said = restore(deploys, confirm="yes")
    assert status != 0
    assert "redis_restore_confirm" in said and f"replace {ROLE}" in said
