"""Drills on releases while users work through every edge: a good one and the way back from it, and one that is broken.

Figures are kept, not asserted; what must hold is that nobody's request fails.
"""

import json
import time
from typing import NamedTuple

import pytest

from checklist.run import not_applicable
from tests.drills.harness.releases import revision, serving
from tests.drills.harness.users import Users

pytestmark = pytest.mark.group("app", first=True)
LOCK = "/var/lib/xteam/deploy.lock"
# How long users work without a host, after every edge has left it out.
AWAY_SECONDS = 30


@pytest.fixture
def users(hosts, estate, token, eventually):
    """Let users in: `users()`."""
    started = []

    def start():
        started.append(Users(hosts.group("edge"), estate, token))
        eventually(started[-1].ready, seconds=120, interval=1)
        time.sleep(3)
        return started[-1]

    yield start
    for one in started:
        one.remove()


@pytest.mark.item("CI-06", "CI-09", "PRE-06", "TST-08")
def test_blue_green_release_and_rollback_lose_no_request(
    host, hosts, runbook, users, versions, home, figures, eventually
):
    """Under load, by their runbooks: to a new release on every host and back again, twice without a failed request."""
    book, back = runbook("release"), runbook("rollback")
    before = serving(hosts)
    load = users()
    started = time.monotonic()
    book.run("release", VERSION=versions.good())
    figures["release_seconds"] = round(time.monotonic() - started, 1)
    after = serving(hosts)
    assert all(after[name] and after[name] != before[name] for name in before), f"{before} became {after}"
    assert "release of" in book.run("who", host) and "serves" in book.run("status", host)
    started = time.monotonic()
    back.run("rollback")
    figures["rollback_seconds"] = round(time.monotonic() - started, 1)
    assert "serves" in back.run("status", host)
    load.result(eventually, figures)
    assert serving(hosts) == before, f"{before} became {serving(hosts)} after the rollback"


NEVER_READY = ("src/xteam/operations.py", "return all(state in", "return False and all(state in")


@pytest.mark.item("CI-06", "CI-09", "PRE-06")
def test_release_that_never_becomes_ready_is_rolled_back(
    host, hosts, deploys, users, versions, home, figures, eventually
):
    """One that never becomes ready, under load: the canary's old instance serves on, no other host is touched."""
    before = serving(hosts)
    load = users()
    started = time.monotonic()
    status, said = deploys("release", version=versions("bad", NEVER_READY), api_ready_seconds=20)
    figures["seconds_to_rollback"] = round(time.monotonic() - started, 1)
    load.result(eventually, figures)
    assert status != 0 and "is not ready after" in said, said[-3000:]
    assert serving(hosts) == before, f"{before} became {serving(hosts)}"
    wanted = host.check_output("readlink /opt/xteam/current").rpartition("/")[2]
    assert wanted == before[host.name]


# Of the release that is killed, so that the next one need not wait long.
LEASE_SECONDS = 60


@pytest.fixture
def interrupted(host, hosts, deploys, versions, eventually, tmp_path):
    """A release whose controller was killed between the canary and the second host: its version."""
    if len(hosts.group("app")) < 2:
        not_applicable("one host of the application: nothing is between it and the next")
    old = host.check_output("readlink /opt/xteam/current")

    def interrupt():
        version = versions.good()
        run = deploys.start("release", tmp_path / "said", version=version, deploy_lock_seconds=LEASE_SECONDS)

        def canary_serves():
            """The link says so; the next host's roll takes longer than it takes to see it."""
            return not run.running() or host.check_output("readlink /opt/xteam/current") != old

        try:
            eventually(canary_serves, seconds=900, interval=0.5)
            assert run.running(), f"it has ended by itself: {run.said()[-2000:]}"
        finally:
            run.kill()
        return version

    return interrupt


def expired_lock(host, eventually):
    """What the lock of the killed release says, once nobody must wait for it any more."""
    held = json.loads(host.check_output(f"cat {LOCK}"))
    eventually(lambda: time.time() > held["expires"], seconds=2 * LEASE_SECONDS, interval=1)
    return held


@pytest.mark.item("CI-06", "PRE-06")
def test_release_of_killed_controller_is_resumed(host, hosts, deploys, users, interrupted, home, figures, eventually):
    """Killed under load between the canary and the second host: users get through, the lock says whose it is and
    expires, and the same release again ends well."""
    before, load, version = serving(hosts), users(), interrupted()
    died = time.monotonic()
    between = serving(hosts)
    status, said = deploys("app")
    assert status != 0 and "another deployment is under way: release of" in said and "expires in" in said, said[-2000:]
    held = expired_lock(host, eventually)
    said = deploys.good("release", version=version)
    figures["seconds_until_taken_up"] = round(time.monotonic() - died, 1)
    assert f"took over the expired lock of {held['owner']}" in said, said[-2000:]
    load.result(eventually, figures)
    after = serving(hosts)
    assert len(set(after.values())) == 1 and after[host.name] == between[host.name] != before[host.name], (
        f"{before}, then {between}, became {after}"
    )
    assert not host.check_output(f"cat {LOCK}"), "the lock is still held"


@pytest.mark.item("CI-06", "CI-09", "PRE-06")
def test_failure_after_interrupted_release_restores_one_release(
    host, hosts, deploys, versions, interrupted, home, eventually
):
    """The hosts run two releases; one that never becomes ready leaves them all with the declared one."""
    before = serving(hosts)
    interrupted()
    assert len(set(serving(hosts).values())) > 1, f"all of them serve {serving(hosts)}"
    expired_lock(host, eventually)
    status, said = deploys("release", version=versions("bad", NEVER_READY), api_ready_seconds=20)
    assert status != 0 and "is not ready after" in said, said[-3000:]
    assert serving(hosts) == before, f"{before} became {serving(hosts)}"


@pytest.mark.item("INF-02")
def test_edge_takes_host_without_power_out_of_rotation(hosts, users, faults, figures, eventually):
    """What was under way on it may fail; edges leave it out, users get through meanwhile; back, it serves again."""
    machines = hosts.group("app")
    if len(machines) < 2:
        not_applicable("one host of the application: nobody takes over")
    load, lost = users(), machines[-1].name
    killed = faults.kill(lost)
    for edge in hosts.group("edge"):
        eventually(lambda edge=edge: not up(edge, lost), seconds=120, interval=1)
    figures["seconds_until_left_out"] = round(time.time() - killed, 1)
    time.sleep(AWAY_SECONDS)
    for edge in hosts.group("edge"):
        said = machines[0].run(f"xteam-smoke --connect {edge.address}:443", timeout=180)
        assert said.rc == 0, f"without {lost} users don't get through {edge.name}: {said.stderr[-1000:]}"
    last, trouble = load.seen(eventually, figures)
    figures["seconds_until_none_failed"] = round(max(0, last - killed), 1)
    print(trouble)
    faults.start(lost)
    eventually(lambda: serving(hosts)[lost], seconds=120, interval=2)
    for edge in hosts.group("edge"):
        eventually(lambda edge=edge: up(edge, lost), seconds=120, interval=2)


def up(edge, name):
    """Whether an edge sends requests to one of the host's instances."""
    said = edge.check_output("xteam-edge show servers state").splitlines()
    return any(line.split()[5] == "2" for line in said if f" {name}-" in line)


# Slow enough that runs which start at once really meet.
SLOW = revision(
    "0005",
    "0004",
    'op.execute("SELECT pg_sleep(3)"); op.create_table("drill", sa.Column("id", sa.Integer))',
    'op.drop_table("drill")',
    'contracts = "pg_sleep removes nothing"',
)


# Three runs on a host; of each when it began and ended, its exit status and its last words.
AT_ONCE = """for i in 1 2 3; do (
    began=$(date +%s.%N); said=$(xteam-migrate upgrade {release} 2>&1); status=$?
    echo "$began|$(date +%s.%N)|$status|$(echo "$said" | tail -n 1)"
) & done; wait"""


class Migration(NamedTuple):
    """One run of it; moments as seconds since the epoch, all of one length."""

    began: str
    ended: str
    status: str
    said: str


@pytest.mark.item("DB-04")
def test_concurrent_migrations_wait_for_their_lock(host, hosts, deploys, versions, home, schema, figures):
    """Three runs on every host at the same moment: one migrates, the others wait. Then back, the database ahead."""
    before = serving(hosts)
    deploys.good("release", version=versions.good(SLOW))
    new = serving(hosts)[host.name]
    assert host.run("xteam-migrate check").rc == 0
    schema()
    assert host.run("xteam-migrate check").rc == 1, "the revision was taken back, for the runs to find"
    said = [one.stdout for one in hosts.at_once(hosts.group("app"), AT_ONCE.format(release=new)).values()]
    runs = [Migration(*words.split("|")) for one in said for words in one.strip().splitlines()]
    figures["hosts"], figures["migrations_at_once"] = len(said), len(runs)
    figures["migrating_at_once_seconds"] = round(max(float(run.ended) - float(run.began) for run in runs), 1)
    assert all(run.status == "0" for run in runs) and len(runs) == 3 * len(hosts.group("app")), runs
    [migrated] = [run for run in runs if "upgraded from 0004" in run.said]
    assert sum("nothing to do" in run.said for run in runs) == len(runs) - 1, runs
    assert max(run.began for run in runs) < migrated.ended, f"they did not meet: {runs}"
    deploys.good("rollback")
    assert serving(hosts) == before
    assert host.run("xteam-migrate check").rc == 4, "the database is ahead of the release before, which goes on serving"
