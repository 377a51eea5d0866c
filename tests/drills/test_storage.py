"""Drills on encryption at rest: what stands on the device, and what a host without its key does.

They take the power from a database host. Whoever holds its disk holds what these drills look at.
"""

import os
import time
from pathlib import Path
from shlex import quote

import pytest

from checklist.run import not_applicable
from lab.host import volume_image
from tests.drills.harness.cluster import PATIENCE, kept_whole
from xteam_infra.distribution import DISTRIBUTION

pytestmark = [pytest.mark.group("postgres", first=True), pytest.mark.item("DB-07", "LAW-04", kind="host")]
TABLE = "public.xteam_storage_drill"
PATRONI = DISTRIBUTION.postgres_unit
OPENER = "xteam-storage.service"
TANG = "tangd.socket"
CHUNK = 16 * 2**20


@pytest.fixture
def cluster(hosts, estate, eventually):
    """The cluster, whole before and after."""
    if estate.storage.storage_encryption != "fscrypt":
        not_applicable(f"storage_encryption is {estate.storage.storage_encryption}")
    with kept_whole(hosts, estate, eventually) as found:
        yield found


@pytest.fixture
def tang_servers(cluster, hosts):
    """The hosts that run tang, none of them a database host."""
    found = [one for one in hosts if one.run(f"systemctl is-active {TANG}").stdout.strip() == "active"]
    if any(one in cluster.members for one in found):
        not_applicable("a database host holds its own key: nobody can keep it from opening")
    return found


@pytest.fixture
def member(cluster):
    """The member that loses its power: not the leader where there is another."""
    leader = cluster.leader()
    return next((one for one in cluster.members if one.name != leader), cluster.hosts[leader])


def test_raw_device_contains_no_row(cluster, faults, figures, eventually):
    """A row, its WAL and a file beside the encrypted directory: of the three only the last is found by searching the
    raw device."""
    image = volume_image(faults.lab, faults.lab.host(cluster.leader()))
    leader = cluster.hosts[cluster.leader()]
    row, control = (f"xteam-drill-{kind}-{time.time_ns()}" for kind in ("row", "control"))
    plain = f"{cluster.estate.storage.storage_path}/xteam-drill"
    with cluster.table(TABLE, "words text"):
        rows = f"SELECT '{row} ' || n FROM generate_series(1, 10000) n"  # noqa: S608 - the drill's own
        cluster.sql(leader, f"INSERT INTO {TABLE} {rows}")
        cluster.sql(leader, "CHECKPOINT", "postgres")
        path = cluster.sql(leader, f"SELECT pg_relation_filepath('{TABLE}')")
        held = leader.check_output(f"grep -caF {row} {DISTRIBUTION.postgres_data}/{path}")
        assert int(held) > 0, "the row is not in the table's file: the drill shows nothing"
        try:
            leader.check_output(f"echo {control} > {plain} && sync -f {plain}")
            found = eventually(lambda: stands_in(image, control.encode()), seconds=30, interval=1)
            assert found, "the search does not even find what is not encrypted"
            assert not stands_in(image, row.encode()), "the row stands readable on the device"
        finally:
            leader.run(f"rm -f {quote(plain)}")
    figures["searched_mb"] = allocated(image) // 2**20


def test_postgresql_stays_down_without_tang_server(cluster, tang_servers, member, faults, figures, eventually):
    """Closed, and it says why; nothing can be read or written; when a Tang server is back, all goes on by itself."""
    for one in tang_servers:
        faults.stop(one.name, TANG)
    faults.kill(member.name)
    faults.start(member.name)
    stays_closed(member, eventually)
    assert not member.run(f"ls -A {DISTRIBUTION.postgres_home}").stdout, "the data directory can be read without a key"
    write = member.run(f"runuser -u postgres -- touch {DISTRIBUTION.postgres_home}/probe")
    assert write.rc != 0, "without a key something is written where the database belongs"
    tree = f"{cluster.estate.storage.storage_path}/xteam"
    names = member.run(f"ls {quote(tree)}").stdout.split()
    assert names and not {"postgresql", "spool"} & set(names), f"names can be read without a key: {names}"
    assert member.run(f"touch {quote(tree)}/probe").rc != 0, "something is written into a locked directory"

    # One of them is enough.
    since = time.time()
    faults.start_unit(tang_servers[-1].name, TANG)
    eventually(lambda: cluster.states().get(member.name, {}).get("state") == "running", seconds=PATIENCE, interval=0.5)
    figures["seconds_from_tang_server_to_postgresql"] = round(time.time() - since, 1)
    faults.undo()


def test_encrypted_directory_unlocks_after_power_loss(cluster, tang_servers, member, faults, figures, eventually):
    """With one Tang server behind a dead network the other opens; PostgreSQL is back by itself."""
    if len(tang_servers) > 1:
        faults.cut(tang_servers[0].name)
    faults.kill(member.name)
    since = time.time()
    faults.start(member.name)
    eventually(lambda: cluster.states().get(member.name, {}).get("state") == "running", seconds=PATIENCE, interval=0.5)
    figures["seconds_from_power_to_postgresql"] = round(time.time() - since, 1)
    figures["tang_servers_reachable"] = max(len(tang_servers) - 1, 1)
    assert "have unlocked the encrypted directory" in member.check_output(
        f"journalctl -b -u {OPENER} --no-pager -o cat"
    )
    faults.undo()


def test_recovery_key_unlocks_and_tang_keys_are_rotated(
    cluster, tang_servers, member, faults, figures, runbook, eventually
):
    """docs/runbooks/unlock.md: no Tang server is left, the recovery key opens; then new keys for all."""
    book = runbook("unlock")
    for one in tang_servers:
        faults.stop(one.name, TANG)
    faults.kill(member.name)
    faults.start(member.name)
    stays_closed(member, eventually)
    assert "stays closed" in book.run("look", member)
    since = time.time()
    book.run("recover", HOST=member.name)
    eventually(lambda: cluster.states().get(member.name, {}).get("state") == "running", seconds=PATIENCE, interval=0.5)
    figures["seconds_to_recover"] = round(time.time() - since, 1)

    for one in tang_servers:
        book.run("start-tang", one)
        book.run("rotate", one)
    book.run("bind")
    for one in tang_servers:
        book.run("forget", one)
    faults.kill(member.name)
    faults.start(member.name)
    eventually(lambda: cluster.states().get(member.name, {}).get("state") == "running", seconds=PATIENCE, interval=0.5)
    faults.undo()


def stays_closed(member, eventually):
    """Wait until the host has tried to open its encrypted directory and failed; then PostgreSQL is down, and the
    journal says why."""
    said = eventually(
        lambda: "stays closed" in member.check_output(f"journalctl -b -u {OPENER} --no-pager -o cat"),
        seconds=PATIENCE,
        interval=1,
    )
    assert said
    state = member.run(f"systemctl is-active {PATRONI}").stdout.strip()
    assert state == "inactive", f"{PATRONI} is {state} without its key"


def stands_in(image: Path, needle: bytes) -> bool:
    """Whether the raw device holds these bytes. Holes of the sparse file hold nothing and are left out."""
    with image.open("rb", buffering=0) as file:
        for start, end in extents(file.fileno(), image.stat().st_size):
            before = b""
            for offset in range(start, end, CHUNK):
                block = before + os.pread(file.fileno(), min(CHUNK, end - offset), offset)
                if needle in block:
                    return True
                before = block[-len(needle) :]
    return False


def extents(descriptor: int, size: int):
    """Where a sparse file holds something: (start, end)."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def allocated(image: Path) -> int:
    """Bytes that were searched."""
    with image.open("rb") as file:
        return sum(end - start for start, end in extents(file.fileno(), image.stat().st_size))
