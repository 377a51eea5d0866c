"""The backup layer: what the repository holds, whether the archive is whole, and who can read it."""

import re
import shlex
import time
from itertools import pairwise

import pytest

from checklist.run import not_applicable

repository = pytest.mark.group("backup", first=True)
# The mode, whether the last try failed, and the age (seconds) of the oldest segment that waits.
ARCHIVER = """
select current_setting('archive_mode'), coalesce(last_failed_time > last_archived_time, failed_count > 0),
  (select coalesce(extract(epoch from now() - min(modification))::int, 0)
   from pg_ls_archive_statusdir() where name like '%.ready')
from pg_stat_archiver"""
PGBACKREST = "cd / && runuser -u postgres -- pgbackrest"
SEGMENTS_PER_LOG = 256  # 16 MiB segments in the 4 GiB that the middle of their names counts
# How each frame of Zstandard begins.
ZSTD = r"\x28\xB5\x2F\xFD"
# What `pgbackrest check` may take for a segment to arrive. It switches to a new one itself.
ARRIVAL_SECONDS = 30


@pytest.fixture
def stanza(host):
    """What pgBackRest says of the stanza."""
    answer = host.run(f"{PGBACKREST} --stanza=main --output=json info")
    assert answer.rc == 0, f"the repository can't be read: {answer.stdout}{answer.stderr}"
    [found] = host.json(f"{PGBACKREST} --stanza=main --output=json info")
    assert found["status"]["code"] == 0, f"pgBackRest says: {found['status']['message']}"
    return found


@repository
@pytest.mark.item("DB-02", "BAK-01")
def test_backups_are_recent(estate, stanza):
    """By when they were complete, and only those that read no damaged page."""
    damaged = [one["label"] for one in stanza["backup"] if one["error"]]
    assert not damaged, f"{', '.join(damaged)}: pages with wrong checksums were found in the database"
    now = time.time()
    hours = (now - stanza["backup"][-1]["timestamp"]["stop"]) / 3600
    assert hours <= estate.backup.backup_max_age_hours, f"the newest backup is {hours:.0f} hours old"
    full = [one for one in stanza["backup"] if one["type"] == "full"]
    days = (now - full[-1]["timestamp"]["stop"]) / 86400
    assert days <= estate.backup.backup_full_max_age_days, f"the newest full backup is {days:.1f} days old"


@repository
@pytest.mark.item("DB-02", "BAK-01")
@pytest.mark.parametrize("kind", ["full", "diff"])
def test_backups_are_taken_by_a_timer(host, estate, kind):
    """At the declared times, the next one is set, and the last one did not fail."""
    wanted = {"full": estate.backup.backup_full_on, "diff": estate.backup.backup_differential_on}[kind]
    timer = host.service(f"xteam-backup-{kind}.timer")
    assert timer.is_running and timer.is_enabled, f"the timer of {kind} backups does not run"
    times = host.check_output(f"systemctl show --property TimersCalendar --value xteam-backup-{kind}.timer")
    normal = re.search(r"Normalized form: (.*)", host.check_output("systemd-analyze calendar %s", wanted)).group(1)
    assert f"OnCalendar={normal} " in times, f"{kind} backups begin at {times}, not at {normal}"
    assert re.search(r"next_elapse=\w{3} \d", times), f"no next {kind} backup is set"
    result = host.check_output(f"systemctl show --property Result --value xteam-backup@{kind}.service")
    assert result == "success", f"the last {kind} backup ended with {result}"


@repository
@pytest.mark.item("BAK-05")
def test_a_segment_reaches_the_repository(host, stanza):
    """pgBackRest's own proof: the leader switches to a new WAL segment, and the last one arrives."""
    answer = host.run(f"{PGBACKREST} --stanza=main --archive-timeout={ARRIVAL_SECONDS} check", timeout=120)
    assert answer.rc == 0, f"archiving does not work: {answer.stdout}{answer.stderr}"


@repository
@pytest.mark.item("BAK-05")
def test_no_segment_is_missing(host, stanza):
    """From the newest backup to the newest segment, on whatever timeline: any moment since then can be restored."""
    database = stanza["archive"][-1]["id"]
    listing = host.json(
        f"{PGBACKREST} --stanza=main --output=json --recurse repo-ls archive/main/{database} --filter='[0-9A-F]{{24}}-'"
    )
    first = _number(stanza["backup"][-1]["archive"]["start"])
    numbers = sorted({_number(path.rpartition("/")[2]) for path in listing})
    kept = [number for number in numbers if number >= first]
    assert kept and kept[0] == first, "the segment the newest backup begins with is missing"
    gaps = [(a, b) for a, b in pairwise(kept) if b != a + 1]
    assert not gaps, f"{sum(b - a - 1 for a, b in gaps)} segments are missing since the newest backup: take a new one"


@repository
@pytest.mark.item("BAK-05")
def test_no_segment_waits(hosts, estate):
    """On the leader: archiving is on, the last try did not fail, and nothing has been waiting for long."""
    leader = next((one for one in hosts.group("postgres") if _ask(one, "select pg_is_in_recovery()") == "f"), None)
    assert leader, "no database host leads"
    mode, failing, oldest = _ask(leader, ARCHIVER).split("|")
    assert mode == "on", f"archive_mode is {mode} on {leader.name}"
    assert failing == "f", f"the last try to archive failed on {leader.name}"
    limit = 2 * estate.postgres.postgres_archive_timeout_seconds
    assert int(oldest) <= limit, f"a segment has been waiting for {oldest} s on {leader.name}"


@repository
@pytest.mark.item("BAK-06")
def test_the_repository_is_in_another_region(host, estate):
    """What burns down one region must not take the databases and their backups."""
    regions = {machine.region for machine in estate.members("postgres")}
    assert host.machine.region not in regions, (
        f"{host.name} is in region {host.machine.region}, as a database is: give the backup host another region"
    )


@repository
def test_everything_in_the_repository_is_encrypted(host, estate):
    """By the bytes on the disk: the mark of a salted cipher, and in bundles, which lack it, no compressed data."""
    files = f"find {estate.backup.backup_path} -type f -size +0 -mtime -2"
    assert host.check_output(files), "there is no file in the repository"
    each = '| head -n 2000 | while read -r file; do head -c 4096 "$file" | LC_ALL=C grep'
    unmarked = f"! -path '*/bundle/*' {each} -qa '^Salted__' || echo \"$file\"; done"
    compressed = f"-path '*/bundle/*' {each} -qaP '{ZSTD}' && echo \"$file\"; done; true"
    plain = host.check_output(f"{files} {unmarked}") + host.check_output(f"{files} {compressed}")
    assert not plain, f"not encrypted: {plain}"


@repository
def test_only_the_repository_host_holds_the_key(host, hosts, estate, secret):
    """No account but pgBackRest's reads it there, and no database host has it."""
    key = secret(estate.backup.backup_cipher.name)
    search = "grep -rlsF -f - /etc/pgbackrest.conf /etc/pgbackrest/"
    holding = host.run_with_stdin(search, key).stdout.split()
    assert holding, "the running configuration has another key than the secrets store"
    for path in holding:
        assert host.run("runuser -u nobody -- cat %s", path).rc != 0, f"everyone can read the key in {path}"
    for other in hosts.group("postgres"):
        if other.name != host.name:
            assert not other.run_with_stdin(search, key).stdout, f"{other.name} holds the key"


@pytest.mark.group("backup", "postgres")
def test_pgbackrest_answers(host):
    """The server that the other side calls."""
    ping = host.run(f"{PGBACKREST} server-ping --io-timeout=5 {host.address}")
    assert ping.rc == 0, f"pgBackRest's server does not answer: {ping.stdout}{ping.stderr}"


@pytest.mark.group("postgres")
def test_the_repository_knows_its_callers(host, estate):
    """A certificate of the internal CA is not enough: its name must be a database host's, for this stanza alone."""
    if any(machine.name == host.name for machine in estate.members("backup")):
        not_applicable("the repository is on this host: nobody calls it")
    other_stanza = host.run(f"{PGBACKREST} --stanza=foreign info")
    assert "access denied" in other_stanza.stdout, f"{host.name} may read other stanzas"
    pair = [
        f"--repo1-host-{part}-file=/etc/xteam/pki/replicator.{end}" for part, end in (("cert", "crt"), ("key", "key"))
    ]
    other_name = host.run(f"{PGBACKREST} --stanza=main {' '.join(pair)} info")
    assert "access denied" in other_name.stdout, "the replication role's certificate opens the repository"


def _number(segment):
    """The place of a segment in the log. The first eight digits are the timeline."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)


def _ask(host, sql):
    return host.run(f"cd / && runuser -u postgres -- psql -XqAtc {shlex.quote(sql)}").stdout.strip()
