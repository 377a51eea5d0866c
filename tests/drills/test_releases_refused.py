"""Drills on releases that must not come through: a clear reason, the old release goes on serving, the lock is free."""

import json
import time

import pytest

from tests.drills.harness.releases import REVISIONS, revision, serving

pytestmark = pytest.mark.group("app", first=True)
LOCK = "/var/lib/xteam/deploy.lock"

TABLE = 'op.create_table("drill", sa.Column("id", sa.Integer))'
EXISTING = ("0001_users_and_audit", "0002_uploads_and_workspaces", "0003_heartbeats", "0004_staff")
# What is wrong with a release, and what it is refused with.
WRONG = {
    # Of every package whose hash begins so: what the registry has is not what was locked.
    "other-hashes": ([("requirements.lock", "sha256:a", "sha256:b")], "Hash mismatch"),
    "no-head": ([(f"{REVISIONS}/{name}.py", "", None) for name in EXISTING], "0 heads"),
    "two-heads": ([revision("0005", "0004"), revision("0006", "0004")], "2 heads"),
    "no-way-back": ([revision("0005", "0004", downgrade="pass")], "0005 has no downgrade"),
    "destroys": ([revision("0005", "0004", 'op.drop_column("users", "is_staff")')], "0005 has drop_column"),
    "ends-at-once": (
        [("src/xteam/main.py", "app = create_app()", 'raise SystemExit("broken on purpose")')],
        "broken on purpose",
    ),
    "fails-users": (
        [("src/xteam/api/websocket.py", '"pong" if heard == "ping" else heard', '"broken"')],
        "answers 'broken' to ping",
    ),
    "logs-an-error": (
        [
            (
                "src/xteam/main.py",
                "    errors.install(app)",
                '    __import__("logging").getLogger("xteam").error("no index to search in")\n    errors.install(app)',
            )
        ],
        "errors in its log (0 allowed), the first: no index to search in (request -)",
    ),
    "fails-half-way": (
        [
            revision("0005", "0004", TABLE, 'op.drop_table("drill")'),
            revision("0006", "0005", 'op.add_column("nowhere", sa.Column("id", sa.Integer))'),
        ],
        'relation "nowhere" does not exist',
    ),
}


@pytest.fixture
def refused(host, hosts, deploys):
    """Release something and see it refused: `refused(version, reason)`."""

    def release(version, reason):
        before = serving(hosts)
        status, said = deploys("release", version=version)
        assert status != 0 and reason in said, said[-3000:]
        assert serving(hosts) == before, f"{before} became {serving(hosts)}"
        held = host.run(f"cat {LOCK}").stdout.strip()
        assert not held, f"the lock is still held: {held}"
        return said

    return release


@pytest.mark.parametrize("fault", WRONG)
def test_release_that_cannot_run_is_refused(refused, versions, home, schema, fault):
    edits, reason = WRONG[fault]
    refused(versions(fault, *edits), reason)


def test_release_to_full_disk_fails_and_leaves_old_release(host, refused, versions, home):
    """Where the releases are is no room for another one. Nothing of it is left behind."""
    releases, full = "/opt/xteam/releases", "/run/xteam-drill-full"
    used = " ".join(set(host.check_output("readlink -f /opt/xteam/current /opt/xteam/blue /opt/xteam/green").split()))
    size = int(host.check_output(f"du -skc {used} | tail -n 1").split()[0]) // 1024 + 20
    host.check_output(
        f"mkdir {full} && mount -t tmpfs -o size={size}m,mode=755 none {full} && cp -a {used} {full}"
        f" && mount --bind {full} {releases}"
    )
    try:
        refused(versions.good(), "No space left on device")
        assert host.run(f"ls -A {releases} | grep '^[.]'").stdout == "", "something of the release was left behind"
    finally:
        host.check_output(f"umount -l {releases}; umount -l {full}; rmdir {full}")


def test_second_release_is_refused_by_deploy_lock(host, hosts, deploys, versions):
    """Who holds it is told, and keeps it."""
    lock = {"owner": "ada@elsewhere", "purpose": "release of v9", "expires": time.time() + 600}
    before = serving(hosts)
    host.run_with_stdin(f"cat > {LOCK}", json.dumps(lock))
    try:
        status, said = deploys("release", version=versions.good())
        assert status != 0 and "release of v9, by ada@elsewhere" in said, said[-3000:]
        status, said = deploys("app")
        assert status != 0 and "release of v9, by ada@elsewhere" in said, said[-3000:]
        assert serving(hosts) == before
        assert json.loads(host.check_output(f"cat {LOCK}"))["owner"] == "ada@elsewhere"
    finally:
        host.run(f"rm -f {LOCK}")


def test_release_of_unknown_version_changes_no_host(host, hosts, deploys):
    """Refused before anything is asked of a host but what it runs."""
    before = host.check_output("journalctl -t xteam-deploy -o cat | wc -l")
    status, said = deploys("release", version="v404")
    assert status != 0 and "unknown version v404" in said, said[-3000:]
    assert host.check_output("journalctl -t xteam-deploy -o cat | wc -l") == before
