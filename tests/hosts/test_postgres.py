"""PostgreSQL under Patroni: what runs, with which parameters, who follows whom, and what it tells of itself."""

import re
import secrets
import time

import pytest
from postgres_client import CURL, REST, UNIT, clients, connect, journal_since, leader, patroni, readable_tables, sql

from checklist.run import not_applicable
from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.layers.router.needs import READ_PORT


@pytest.mark.item("DB-01")
@pytest.mark.group("postgres")
def test_postgresql_runs_under_patroni(host):
    assert sql(host, "SHOW server_version_num").startswith("17"), "not PostgreSQL 17"
    assert sql(host, "SHOW data_checksums") == "on", "data checksums are off"
    said = patroni(host)
    assert said["state"] == "running", f"Patroni says {said['state']}"
    assert said["patroni"]["scope"] == DISTRIBUTION.postgres_cluster
    assert not said.get("pause"), "Patroni is paused: nobody would replace a lost leader"


@pytest.mark.item("DB-01")
@pytest.mark.group("postgres", first=True)
def test_the_application_reaches_its_database(hosts, app):
    """From a host of the application, with its own role and password, verifying the server's certificate."""
    if not clients(hosts):
        not_applicable("no host of the application in the inventory")
    answer = connect(
        clients(hosts)[0], app(leader(hosts).address), "SELECT current_user || ' ' || version()", app.password
    )
    assert "PostgreSQL 17" in answer.stdout, f"no answer: {answer.stderr[:300]}"


@pytest.mark.group("postgres", first=True)
def test_postgres_members_follow_one_leader(hosts):
    """All stream on the leader's timeline; nobody logs that it can't see its own."""
    members = hosts.group("postgres")
    said = {host.name: patroni(host) for host in members}
    leaders = [name for name, one in said.items() if one["role"] == "primary"]
    assert len(leaders) == 1, f"leaders: {leaders or 'none'}"
    timelines = {name: one.get("timeline") for name, one in said.items()}
    assert len(set(timelines.values())) == 1, f"timelines differ: {timelines}"
    for name, one in said.items():
        if name not in leaders:
            assert one.get("replication_state") == "streaming", (
                f"{name} is {one.get('replication_state')}, not streaming"
            )
    for host in members:
        assert not journal_since(host, int(time.time()) - 60, "Can not fetch local timeline"), (
            f"{host.name} can't see its own timeline: after a failover it would not be rewound"
        )


@pytest.mark.group("postgres", first=True)
def test_commits_wait_for_a_replica(hosts, estate):
    """Without it a failover loses what was acknowledged last."""
    if len(hosts.group("postgres")) == 1:
        not_applicable("one PostgreSQL host: nobody to wait for")
    if estate.postgres.postgres_synchronous == "off":
        pytest.fail('postgres_synchronous is "off" in group_data/postgres.py')
    states = sql(leader(hosts), "SELECT sync_state FROM pg_stat_replication").split()
    assert {"sync", "quorum"} & set(states), f"no synchronous replica: {states}"


@pytest.mark.group("postgres")
def test_shared_parameters_are_those_declared(host, estate):
    """What the server runs with, whatever its files say; and nobody waits for a restart."""
    settings = estate.postgres
    wanted = {
        "max_connections": str(settings.postgres_max_connections),
        "shared_buffers": f"{settings.postgres_memory_mb // 4}MB",
        "password_encryption": "scram-sha-256",
        "wal_log_hints": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
    }
    running = {name: sql(host, f"SELECT current_setting('{name}')") for name in wanted}
    assert running == wanted, f"running with {running}"
    assert not patroni(host).get("pending_restart"), "changed parameters wait for a restart"
    shared = host.json(f"{CURL} {REST}/config")
    timing = {name: shared[name] for name in ("ttl", "loop_wait", "retry_timeout")}
    assert timing == settings.timing.model_dump(), f"Patroni decides with {timing}"
    assert shared["failsafe_mode"] is True, "without failsafe_mode an outage of etcd stops the leader"


@pytest.mark.item("PERF-02")
@pytest.mark.group("postgres")
def test_parameters_fit_the_host(host, estate, eventually):
    """WAL can't fill the disk, workers don't outnumber the cores, and what was set by hand is in force."""
    names = ("max_wal_size", "max_slot_wal_keep_size", "max_parallel_workers", "max_parallel_workers_per_gather")
    settings = estate.postgres
    asked = ", ".join(f"'{name}'" for name in names)
    query = f"SELECT name, setting FROM pg_settings WHERE name IN ({asked})"  # noqa: S608 - this test's own names
    disk_mb = int(host.check_output(f"df -Pm {DISTRIBUTION.postgres_data} | tail -1").split()[1])

    def bounded():
        running = {name: int(value) for name, value in (row.split("|") for row in sql(host, query).splitlines())}
        assert running["max_slot_wal_keep_size"] > 0, "a replica that is away keeps WAL without limit"
        wal_mb = running["max_wal_size"] + running["max_slot_wal_keep_size"]
        assert wal_mb <= disk_mb * 3 // 4, f"WAL of up to {wal_mb} MiB on a disk of {disk_mb} MiB"
        return running

    # A reload reaches the server by way of Patroni, a moment after the deploy has asked for it.
    running = eventually(bounded, seconds=20, interval=1)
    cores = settings.postgres_cores or int(host.check_output("nproc"))
    free = set(names) - set(settings.postgres_parameters)
    workers = {name: running[name] for name in names[2:] if name in free}
    assert all(number <= cores for number in workers.values()), f"{workers} on {cores} cores"
    for name, value in settings.postgres_parameters.items():
        same = f"SELECT current_setting('{name}') = set_config('{name}', '{_word(value)}', true)"
        assert sql(host, same) == "t", f"{name} is not {value}, which the settings want"


def _word(value):
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


@pytest.mark.group("postgres", first=True)
def test_the_heartbeat_reaches_every_member(hosts, estate, eventually):
    """The leader goes on writing it, every member gets to see the next one, and nobody else can write it."""
    newest = "SELECT extract(epoch FROM coalesce(max(last_at), '-infinity')) FROM xteam_ops.heartbeat"
    before = float(sql(leader(hosts), newest))
    for host in hosts.group("postgres"):
        # Each member's own must run, or nobody beats once it leads.
        assert host.service("xteam-heartbeat.service").is_running, f"{host.name} has no heartbeat of its own"
        eventually(lambda host=host: float(sql(host, newest)) > before, seconds=60, interval=1)
    may_write = (
        "SELECT rolname FROM pg_roles WHERE NOT rolsuper"
        " AND has_table_privilege(rolname, 'xteam_ops.heartbeat', 'INSERT, UPDATE, DELETE')"
    )
    writers = sql(leader(hosts), may_write).split()
    # PostgreSQL's own role for writing all tables, which has no member.
    assert set(writers) <= {"pg_write_all_data"}, f"who may write it: {writers}"


@pytest.mark.item("DB-06")
@pytest.mark.group("postgres", first=True)
def test_read_endpoint_answers_from_a_replica(hosts, estate, app, eventually):
    """What is written to the leader can be read there at once (the lag is bounded)."""
    if len(hosts.group("postgres")) == 1:
        not_applicable("one PostgreSQL host: no replica")
    if not clients(hosts):
        not_applicable("no host of the application in the inventory")
    endpoint = app(estate.fqdn("postgres"), port=READ_PORT)
    for client in clients(hosts):
        answer = connect(client, endpoint, "SELECT pg_is_in_recovery()", app.password)
        assert answer.stdout.strip() == "t", f"{client.name} reads from: {answer.stdout or answer.stderr}"
        written = connect(client, endpoint, "CREATE TEMP TABLE probe ()", app.password)
        assert written.rc != 0, "the read endpoint accepts a write"
    bound = estate.postgres.postgres_replica_lag_max_mb * 1024 * 1024
    behind = "SELECT coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), -1) FROM pg_stat_replication"

    def bounded():
        lags = sql(leader(hosts), behind).split()
        assert all(0 <= int(float(lag)) <= bound for lag in lags), f"replicas are behind by {lags} bytes"
        return True

    eventually(bounded, seconds=20)


@pytest.mark.item("PERF-02")
@pytest.mark.group("postgres", first=True)
def test_slow_statements_are_logged(hosts, estate, eventually):
    """A slow statement is counted by pg_stat_statements, and stands in the journal with its plan."""
    host, mark = leader(hosts), f"probe_{secrets.token_hex(4)}"
    seconds = estate.postgres.postgres_slow_query_ms / 1000 + 0.2
    # The statistics know a statement by its shape (names of columns do not count): one that no other check has.
    counted = (
        "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE 'SELECT pg_sleep(%pg_backend_pid()%'"
    )
    before, since = int(sql(host, counted)), host.check_output("date +%s")
    share = float(sql(host, "SHOW auto_explain.sample_rate"))
    assert share == estate.postgres.postgres_explain_sample, f"plans are logged of a share of {share}"
    sql(host, f"SET auto_explain.sample_rate = 1; SELECT pg_sleep({seconds}) AS {mark}, pg_backend_pid()")
    assert int(sql(host, counted)) == before + 1, "pg_stat_statements has not counted it"

    def logged():
        lines = journal_since(host, since, mark)
        assert any("duration:" in line for line in lines), "it is not in the journal"
        plan = host.run(f"journalctl -u {UNIT} --since @{since} -o cat --no-pager").stdout
        assert re.search(r"Query Text: [^\n]*" + mark, plan), "its plan is not in the journal"
        return True

    eventually(logged, seconds=20, interval=0.5)


@pytest.mark.item("PERF-03")
@pytest.mark.group("postgres")
def test_monitoring_sees_statements_and_no_rows(host, estate, secret):
    """The role `monitor` reads the statistics of every role's statements, and no table of the application."""
    password = secret(estate.postgres.postgres_monitor_password.name)
    conninfo = "user=monitor dbname=postgres host=/var/run/postgresql"
    seen = connect(
        host, conninfo, "SELECT count(*) FROM pg_stat_statements WHERE query <> '<insufficient privilege>'", password
    )
    assert seen.rc == 0 and int(seen.stdout) > 0, f"monitor sees no statements: {seen.stderr}"
    rights = readable_tables(host, "monitor", estate.postgres.POSTGRES_DB)
    assert rights == 0, f"monitor may read {rights} tables of the application"


@pytest.mark.item("LAW-03")
@pytest.mark.group("postgres", first=True)
def test_changes_of_definitions_are_audited(hosts, estate, eventually):
    """What an administrator changes stands in the journal, which is shipped; even when it is rolled back."""
    host, mark = leader(hosts), f"probe_{secrets.token_hex(4)}"
    since = host.check_output("date +%s")
    sql(host, f"BEGIN; CREATE TABLE {mark} (); ROLLBACK", estate.postgres.POSTGRES_DB)

    def audited():
        lines = journal_since(host, since, mark)
        assert any("AUDIT: SESSION" in line and "DDL" in line for line in lines), f"no audit record: {lines}"
        return True

    eventually(audited, seconds=20, interval=0.5)


@pytest.mark.group("postgres")
def test_patroni_configuration_is_validated_without_the_network(host):
    """As every deploy does before it replaces the file: with a member of etcd down it would be valid nowhere else."""
    validate = "unshare --net /usr/bin/python3 -I /usr/local/lib/xteam/xteam_patroni/validate.py"
    good = host.run(f"{validate} /etc/patroni/{DISTRIBUTION.postgres_cluster}.yml")
    assert good.rc == 0, f"the file in use is not valid: {good.stderr[:300]}"
    wrong = f"sed 's/verify_client: required/verify_client: perhaps/' /etc/patroni/{DISTRIBUTION.postgres_cluster}.yml"
    # For root alone: passwords are in it.
    bad = host.run(f"file=$(mktemp) && trap 'rm -f $file' EXIT && {wrong} > $file && {validate} $file")
    assert bad.rc == 1 and "restapi.verify_client" in bad.stderr, f"a wrong file is valid: {bad.stderr[:300]}"
