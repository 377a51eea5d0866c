"""The backup layer: what the repository holds, whether the archive is whole, and who can read it."""

import json
import re
from itertools import pairwise

import pytest
from ages import seconds_since
from postgres_client import leader, sql

from checklist.run import not_applicable
from xteam_infra.plan.needs import METRICS_DIRECTORY

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
ARRIVAL_SECONDS = 60
# They are written every five minutes.
METRICS_SECONDS = 900
MARKER_SECONDS = 300


@pytest.fixture(params=[1, 2], ids=["repo1", "repo2"])
def number(request, estate):
    """Each repository in turn, by pgBackRest's number."""
    if request.param == 2 and not estate.backup.backup_s3_bucket:
        not_applicable("backup_s3_bucket is not set: there is one repository")
    return request.param


@pytest.fixture
def cluster(hosts):
    """The system identifier of the cluster that runs, as its leader tells it."""
    return sql(leader(hosts), "select system_identifier from pg_control_system()")


@pytest.fixture
def stanza(host, number, cluster):
    """What pgBackRest says of the stanza in one repository, and of the backups of the cluster that runs alone."""
    ask = f"{PGBACKREST} --stanza=main --repo={number} --output=json info"
    answer = host.run(ask)
    assert answer.rc == 0, f"repository {number} can't be read: {answer.stdout}{answer.stderr}"
    [found] = host.json(ask)
    assert found["status"]["code"] == 0, f"pgBackRest says: {found['repo'][0]['status']['message']}"
    clusters = {one["id"]: str(one["system-id"]) for one in found["db"]}
    present = clusters[max(clusters)]
    assert present == cluster, f"repository {number} is of cluster {present}, the one that runs is {cluster}"
    found["backup"] = [one for one in found["backup"] if clusters[one["database"]["id"]] == cluster]
    assert found["backup"], f"repository {number} has no backup of the cluster that runs"
    return found


@repository
@pytest.mark.item("DB-02", "BAK-01")
def test_backups_are_recent(estate, stanza):
    """By when they were complete, and only those that read no damaged page."""
    damaged = [one["label"] for one in stanza["backup"] if one["error"]]
    assert not damaged, f"{', '.join(damaged)}: pages with wrong checksums were found in the database"
    hours = seconds_since(stanza["backup"][-1]["timestamp"]["stop"]) / 3600
    assert hours <= estate.backup.backup_max_age_hours, f"the newest backup is {hours:.0f} hours old"
    full = [one for one in stanza["backup"] if one["type"] == "full"]
    days = seconds_since(full[-1]["timestamp"]["stop"]) / 86400
    assert days <= estate.backup.backup_full_max_age_days, f"the newest full backup is {days:.1f} days old"


@repository
@pytest.mark.item("DB-02", "BAK-01")
@pytest.mark.parametrize("kind", ["full", "diff", "verify", "expire"])
def test_backups_are_taken_by_a_timer(host, estate, number, cluster, kind):
    """At the declared times, the next one is set, and the last one did not fail."""
    settings = estate.backup
    wanted = {
        "full": [settings.backup_full_schedule, settings.backup_s3_full_schedule][number - 1],
        "diff": [settings.backup_differential_schedule, settings.backup_s3_differential_schedule][number - 1],
        "verify": settings.backup_verify_schedule,
        "expire": "06:30",
    }[kind]
    _runs_by_timer(host, f"repo{number}-{kind}", wanted, cluster)


@repository
@pytest.mark.item("BAK-05")
def test_wal_archiving_is_checked_by_timer(host, cluster):
    """Every hour a segment is forced and must arrive in every repository."""
    _runs_by_timer(host, "check", "hourly", cluster)


@repository
@pytest.mark.item("COST-06")
def test_backups_are_compressed_and_expired(estate, stanza):
    """Compressed, and nothing is kept that the retention no longer asks for: one full backup may be older."""
    for one in stanza["backup"]:
        stored = one["info"]["repository"]["delta"] / one["info"]["delta"]
        assert stored < 0.9, f"{one['label']} takes {stored:.0%} of what was read: is it compressed?"
    settings = estate.backup
    number = stanza["repo"][0]["key"]
    days = settings.backup_retention_days if number == 1 else settings.backup_s3_retention_days
    fulls = [one for one in stanza["backup"] if one["type"] == "full"]
    over = [one["label"] for one in fulls if seconds_since(one["timestamp"]["stop"]) > (days + 1) * 86400]
    assert len(over) <= 1, f"{', '.join(over)} should have expired after {days} days"


@repository
@pytest.mark.item("BAK-05")
def test_wal_segment_reaches_every_repository(host):
    """pgBackRest's own proof: the leader switches to a new WAL segment, and the last one arrives in each."""
    answer = host.run(f"{PGBACKREST} --stanza=main --archive-timeout={ARRIVAL_SECONDS} check", timeout=150)
    assert answer.rc == 0, f"archiving does not work: {answer.stdout}{answer.stderr}"


@repository
@pytest.mark.item("BAK-05")
def test_wal_archive_has_no_gap(host, number, stanza, eventually):
    """From the newest backup to the newest segment, on whatever timeline: any moment since then can be restored."""
    database = stanza["archive"][-1]["id"]
    first = _number(stanza["backup"][-1]["archive"]["start"])

    def whole():
        listing = host.json(
            f"{PGBACKREST} --stanza=main --repo={number} --output=json --recurse repo-ls archive/main/{database}"
            " --filter='[0-9A-F]{24}-'"
        )
        numbers = sorted({_number(path.rpartition("/")[2]) for path in listing})
        kept = [number for number in numbers if number >= first]
        assert kept and kept[0] == first, "the segment the newest backup begins with is missing"
        gaps = [(a, b) for a, b in pairwise(kept) if b != a + 1]
        missing = sum(b - a - 1 for a, b in gaps)
        assert not gaps, f"{missing} segments are missing since the newest backup: take a new one"
        return True

    eventually(whole, seconds=30, interval=1)  # segments are sent side by side, and may overtake each other


@repository
@pytest.mark.item("BAK-05")
def test_no_wal_segment_waits_for_archiving(hosts, estate, eventually):
    """On the leader: archiving is on, the last try did not fail, and nothing has been waiting for long."""
    leads = leader(hosts)
    limit = 2 * estate.postgres.postgres_archive_timeout_seconds

    def archives():
        mode, failing, oldest = sql(leads, ARCHIVER).split("|")
        assert mode == "on", f"archive_mode is {mode} on {leads.name}"
        assert failing == "f", f"the last try to archive failed on {leads.name}"
        assert int(oldest) <= limit, f"a segment has been waiting for {oldest} s on {leads.name}"
        return True

    eventually(archives, seconds=90, interval=1)  # after an outage the archiver tries again within a minute


@repository
@pytest.mark.item("BAK-02", "TST-05", "OPS-07", kind="drill")
def test_last_restore_drill_was_good(host, estate, number, stanza, cluster):
    """The repository became a database not long ago: opened, every index checked, every page, every marker."""
    limit = estate.backup.restore_drill_max_age_days * (2 if estate.backup.backup_s3_bucket else 1)
    kept = host.run(f"cat /var/lib/xteam/backup/drill-repo{number}.json")
    if kept.rc != 0 or json.loads(kept.stdout).get("cluster", cluster) != cluster:
        days = seconds_since(stanza["backup"][0]["timestamp"]["stop"]) / 86400
        assert number == 2 and days <= limit, f"no restore was ever rehearsed from repository {number}"
        not_applicable(f"repository {number} is {days:.0f} days old; its first restore drill comes in time")
    result = json.loads(kept.stdout)
    assert result.get("cluster"), "nobody knows of which cluster what was restored is"
    assert result["good"], f"the last restore drill from repository {number} failed: {result.get('message')}"
    assert result["amcheck"] and result["checksums"] and result["markers"] > 0, f"it did not look at all: {result}"
    days = seconds_since(result["completed"]) / 86400
    assert days <= limit, f"the last restore drill from repository {number} was {days:.0f} days ago"


@repository
@pytest.mark.item("BAK-02", "TST-05", "OPS-07", kind="drill")
def test_restore_drills_run_by_timer(host, estate):
    _timer_runs(host, "xteam-restore-drill@next", estate.backup.restore_drill_schedule)


@pytest.mark.group("postgres")
def test_recovery_marker_is_written_each_minute(hosts, host):
    """On the leader; a restore drill looks for it."""
    assert host.service("xteam-recovery-marker.timer").is_running, "no marker is written"
    if sql(host, "select pg_is_in_recovery()") == "f":
        age = sql(host, "select round(extract(epoch from clock_timestamp() - max(at))) from xteam_ops.marker")
        assert int(age) < MARKER_SECONDS, f"the newest marker is {age} s old"


@repository
def test_metrics_are_exported(host, estate, eventually):
    """For the node exporter: young, readable for it, and of every repository."""
    path = f"{METRICS_DIRECTORY}/xteam-backup.prom"

    def young():
        age = seconds_since(float(host.check_output("stat -c %%Y %s", path)))
        assert age < METRICS_SECONDS, f"the metrics are {age:.0f} s old"
        return True

    eventually(young, seconds=20)  # the timer may have been started a moment ago

    def good():
        text = host.check_output("runuser -u nobody -- cat %s", path)
        for number in [1, 2] if estate.backup.backup_s3_bucket else [1]:
            wanted = {"repository_status_code": 0, "wal_missing_segments": 0, "cluster_matches": 1}
            for name, value in wanted.items():
                line = f'xteam_backup_{name}{{repository="{number}"}} {value}\n'
                assert line in f"{text}\n", f"{name} of {number} is not {value}"
            full = f'xteam_backup_completion_timestamp_seconds{{repository="{number}",type="full"}}'
            assert full in text, f"no full backup of {number}"
        return True

    eventually(good, seconds=330, interval=5)  # they may be of a moment in which a segment was on its way


@repository
@pytest.mark.item("BAK-01")
def test_the_backup_host_knows_which_cluster_runs(host, cluster):
    """Its jobs and metrics count what is of that cluster alone."""
    noted = host.run("cat /var/lib/xteam/backup/cluster").stdout.strip()
    assert noted == cluster, f"it works for cluster {noted or 'none'}, the one that runs is {cluster}"


@repository
def test_everything_in_the_repository_is_encrypted(host, estate):
    """By the bytes on the disk: the mark of a salted cipher, and in bundles, which lack it, no compressed data."""
    files = f"find {estate.backup.backup_path} -ignore_readdir_race -type f -size +0 -mtime -2"
    assert host.check_output(files), "there is no file in the repository"
    each = '| head -n 2000 | while read -r file; do head -c 4096 "$file" | LC_ALL=C grep'
    # What was renamed or has expired since it was found is no finding.
    unmarked = f"! -path '*/bundle/*' {each} -qa '^Salted__' || ! test -e \"$file\" || echo \"$file\"; done"
    compressed = f"-path '*/bundle/*' {each} -qaP '{ZSTD}' && echo \"$file\"; done; true"
    plain = "".join(host.check_output(f"{files} {search}", timeout=300) for search in (unmarked, compressed))
    assert not plain, f"not encrypted: {plain}"


@repository
def test_only_the_repository_host_holds_the_key(host, hosts, estate, secret):
    """No account but pgBackRest's reads it there, and no database host has it."""
    settings = estate.backup
    references = [settings.backup_encryption_key]
    if settings.backup_s3_bucket:
        references += [settings.backup_s3_encryption_key, settings.backup_s3_key_id, settings.backup_s3_key]
    search = "grep -rlsF -f - /etc/pgbackrest.conf /etc/pgbackrest/"
    for reference in references:
        key = secret(reference.name)
        holding = host.run_with_stdin(search, key).stdout.split()
        assert holding, f"the running configuration has another {reference.name} than the secrets store"
        for path in holding:
            assert host.run("runuser -u nobody -- cat %s", path).rc != 0, f"everyone can read the key in {path}"
        for other in hosts.group("postgres"):
            if other.name != host.name:
                assert not other.run_with_stdin(search, key).stdout, f"{other.name} holds {reference.name}"


@pytest.mark.group("backup", "postgres")
def test_pgbackrest_answers(host):
    """The server that the other side calls."""
    ping = host.run(f"{PGBACKREST} server-ping --io-timeout=5 {host.address}")
    assert ping.rc == 0, f"pgBackRest's server does not answer: {ping.stdout}{ping.stderr}"


@pytest.mark.group("postgres")
def test_pgbackrest_refuses_unknown_client_certificate(host, estate):
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


def _runs_by_timer(host, job, wanted, cluster):
    _timer_runs(host, f"xteam-backup@{job}", wanted)
    result = host.check_output(f"systemctl show --property Result --value xteam-backup@{job}.service")
    assert result == "success", f"the last {job} ended with {result}"
    kept = host.run(f"cat /var/lib/xteam/backup/{job}.json")
    if kept.rc == 0 and (last := json.loads(kept.stdout)).get("cluster") == cluster:
        assert last["good"], f"the last {job} failed"
        seconds_since(last["completed"])


def _timer_runs(host, unit, wanted):
    timer = host.service(f"{unit}.timer")
    assert timer.is_running and timer.is_enabled, f"{unit}.timer does not run"
    times = host.check_output(f"systemctl show --property TimersCalendar --value {unit}.timer")
    normal = re.search(r"Normalized form: (.*)", host.check_output("systemd-analyze calendar %s", wanted)).group(1)
    assert f"OnCalendar={normal} " in times, f"{unit} begins at {times}, not at {normal}"
    assert re.search(r"next_elapse=\w{3} \d", times), f"no next {unit} is set"


def _number(segment):
    """The place of a segment in the log. The first eight digits are the timeline."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)
