"""PostgreSQL under Patroni: asked by its own account, by the application, and by somebody who may not come in."""

import re
import secrets
import select
import socket
import time
from shlex import quote

import pytest

from checklist.run import not_applicable

PORT = 5432
PATIENCE = 3  # seconds until a port counts as closed
CURL = "curl -s -m 5 --cacert /etc/xteam/pki/ca.crt"
REST = "https://127.0.0.1:8008"
VERIFIED = "sslmode=verify-full sslrootcert=/etc/xteam/pki/ca.crt"
UNIT = "patroni@17-main.service"


def sql(host, statements, database="postgres"):
    """The answer of the server on this host to its own account."""
    command = f"cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database} -c {quote(statements)}"
    return host.check_output(command)


def connect(host, conninfo, statement="SELECT 1", password=""):
    """Connect from `host` over the network; a password goes by standard input."""
    given = "IFS= read -r PGPASSWORD; export PGPASSWORD PGCONNECT_TIMEOUT=5; "
    return host.run_with_stdin(f"{given}timeout 20 psql -XAtw {quote(conninfo)} -c {quote(statement)}", f"{password}\n")


def patroni(host):
    """What Patroni on this host says of itself."""
    return host.json(f"{CURL} {REST}/patroni")


def leader(hosts):
    """The host that leads now."""
    for host in hosts.group("postgres"):
        if patroni(host)["role"] == "primary":
            return host
    raise AssertionError("no member leads")


def clients(hosts):
    """Hosts from which the application may connect."""
    return [host for host in hosts if {"app", "worker"} & set(host.machine.groups)]


def journal_since(host, moment, text):
    """Lines of PostgreSQL's and Patroni's journal since a moment (the host's own clock) that hold `text`."""
    lines = host.run(f"journalctl -u {UNIT} --since @{moment} -o cat --no-pager").stdout
    return [line for line in lines.splitlines() if text in line]


@pytest.fixture
def app(estate, secret):
    """The application's way in: conninfo for a host, and the password."""
    settings = estate.postgres

    def conninfo(address, port=PORT, **more):
        values = {"user": settings.POSTGRES_USER, "dbname": settings.POSTGRES_DB, "host": address, "port": port, **more}
        return " ".join(f"{key}={value}" for key, value in values.items()) + f" {VERIFIED}"

    conninfo.password = secret(settings.POSTGRES_PASSWORD.name)
    return conninfo


# --- What runs


@pytest.mark.item("DB-01")
@pytest.mark.group("postgres")
def test_postgresql_runs_under_patroni(host):
    assert sql(host, "SHOW server_version_num").startswith("17"), "not PostgreSQL 17"
    assert sql(host, "SHOW data_checksums") == "on", "data checksums are off"
    said = patroni(host)
    assert said["state"] == "running", f"Patroni says {said['state']}"
    assert said["patroni"]["scope"] == "17-main"
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
def test_members_follow_one_leader(hosts):
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
def test_parameters_fit_the_host(host, estate):
    """WAL can't fill the disk, workers don't outnumber the cores, and what was set by hand is in force."""
    names = ("max_wal_size", "max_slot_wal_keep_size", "max_parallel_workers", "max_parallel_workers_per_gather")
    settings = estate.postgres
    asked = ", ".join(f"'{name}'" for name in names)
    query = f"SELECT name, setting FROM pg_settings WHERE name IN ({asked})"  # noqa: S608 - this test's own names
    rows = sql(host, query).splitlines()
    running = {name: int(value) for name, value in (row.split("|") for row in rows)}
    disk_mb = int(host.check_output("df -Pm /var/lib/postgresql/17/main | tail -1").split()[1])
    wal_mb = running["max_wal_size"] + running["max_slot_wal_keep_size"]
    assert running["max_slot_wal_keep_size"] > 0, "a replica that is away keeps WAL without limit"
    assert wal_mb <= disk_mb * 3 // 4, f"WAL of up to {wal_mb} MiB on a disk of {disk_mb} MiB"
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


# --- Who comes in


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres")
def test_wrong_passwords_are_refused(host, hosts, app):
    """On this member, from each host of the application: wrong, none, and an old default."""
    for client in clients(hosts):
        for password in ("wrong", "postgres", "xteam"):
            answer = connect(client, app(host.address), password=password)
            assert "password authentication failed" in answer.stderr, (
                f"{client.name} with a wrong password: {answer.stderr}"
            )
    if not clients(hosts):
        not_applicable("no host of the application in the inventory")


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres")
def test_passwords_are_strong_and_kept_as_scram(host, estate, secret):
    """Only these roles have a password at all; every one is long, its own, and kept as a SCRAM verifier."""
    passwords = {role: secret(reference.name) for role, reference in estate.postgres.passwords.items()}
    assert all(len(value) >= 20 for value in passwords.values()), "a password is shorter than 20 characters"
    assert len(set(passwords.values())) == len(passwords), "two roles share a password"
    kept = sql(host, "SELECT rolname, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert sorted(kept.split()) == sorted(f"{role}|t" for role in passwords), f"roles with a password: {kept.split()}"


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres")
def test_no_rule_lets_anybody_in_without_proof(host):
    """The access rules the server has loaded: no trust, md5 or password, and TLS for whatever comes by network."""
    rules = sql(host, "SELECT type, auth_method, error FROM pg_hba_file_rules").splitlines()
    assert rules, "no access rule is loaded"
    for rule in rules:
        kind, method, error = rule.split("|")
        assert not error, f"a rule is broken: {error}"
        assert method in ("peer", "cert", "scram-sha-256", "reject"), f"a rule lets in by {method}"
        assert kind in ("local", "hostssl") or method == "reject", (
            f"a rule of type {kind} accepts connections without TLS"
        )


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres")
def test_roles_with_power_come_in_by_certificate_alone(host, hosts):
    """The superuser never over the network; replication not without the certificate of its role."""
    for client in (*clients(hosts), host):
        answer = connect(client, f"host={host.address} user=postgres dbname=postgres {VERIFIED}")
        assert answer.rc != 0 and "pg_hba.conf rejects" in answer.stderr, (
            f"postgres from {client.name}: {answer.stderr}"
        )
    bare = connect(
        host, f"host={host.address} user=replicator dbname=postgres replication=true {VERIFIED}", "IDENTIFY_SYSTEM"
    )
    assert "certificate" in bare.stderr, f"replication without certificate: {bare.stdout or bare.stderr}"
    pki = "/etc/xteam/pki"
    other = f"host={host.address} user=replicator dbname=postgres replication=true sslmode=verify-full"
    other += f" sslrootcert={pki}/ca.crt sslcert={pki}/postgres.crt sslkey={pki}/postgres.key"
    wrong = host.run(f"cd / && PGCONNECT_TIMEOUT=5 runuser -u postgres -- psql -XAtw {quote(other)} -c IDENTIFY_SYSTEM")
    assert "certificate authentication failed" in wrong.stderr, (
        f"replication with another's certificate: {wrong.stderr}"
    )


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres", first=True)
def test_the_application_changes_rows_alone(hosts, app):
    """No table's definition, no other role, no file of the server."""
    if not clients(hosts):
        not_applicable("no host of the application in the inventory")
    forbidden = {
        "CREATE TABLE probe_of_verification ()": "permission denied",
        "SET ROLE migrator": "permission denied",
        "SELECT pg_read_file('/etc/passwd')": "permission denied",
        "COPY (SELECT 1) TO PROGRAM 'true'": "permission denied",
        "SELECT pgbouncer.lookup('monitor')": "permission denied",
    }
    for statement, refusal in forbidden.items():
        answer = connect(clients(hosts)[0], app(leader(hosts).address), statement, app.password)
        assert refusal in answer.stderr, f"the application may: {statement}"


@pytest.mark.item("DB-08")
@pytest.mark.group("postgres")
def test_database_ports_are_closed_to_strangers(host, hosts, estate):
    """No answer to any host without the role, nor to the controller; open to those that have it."""
    declared = {source for rule in estate.postgres.postgres_hba_rules for source in rule.sources}
    roles = {"app", "worker", "postgres"}
    allowed = {PORT: roles | {"metrics"} | declared, 8008: roles}
    others = [other for other in hosts if other.name != host.name]
    one = f"timeout {PATIENCE} bash -c '</dev/tcp/{host.address}/'$port 2>/dev/null; echo $port $?"
    knock = f"for port in {' '.join(map(str, allowed))}; do ({one}) & done; wait"
    for other, answer in hosts.at_once(others, knock).items():
        statuses = dict(map(int, line.split()) for line in answer.stdout.splitlines())
        assert set(statuses) == set(allowed), f"{other.name} could not knock: {answer.stdout}{answer.stderr}"
        reached = {port for port, status in statuses.items() if status == 0}
        wanted = {port for port, sources in allowed.items() if sources & {*other.machine.groups, other.address}}
        assert not wanted - reached, f"{other.name} can't reach port {sorted(wanted - reached)}"
        assert not reached - wanted, f"{other.name}, which has no such role, reaches port {sorted(reached - wanted)}"
    reached = _reached(host.address, allowed)
    assert not reached, f"the controller reaches port {reached}"


def _reached(address, ports):
    """The ports that let the controller in within its patience, tried all at once."""
    tries = {port: socket.socket() for port in ports}
    for port, one in tries.items():
        one.setblocking(False)
        one.connect_ex((address, port))
    time.sleep(PATIENCE)
    _, ready, _ = select.select([], tries.values(), [], 0)
    found = [
        port for port, one in tries.items() if one in ready and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    ]
    for one in tries.values():
        one.close()
    return found


@pytest.mark.item("DB-08")
@pytest.mark.group("postgres")
def test_access_rules_name_hosts(host, estate):
    """The server itself knows the addresses, too: no rule accepts more than one host, but for networks declared so."""
    declared = {source for rule in estate.postgres.postgres_hba_rules for source in rule.sources}
    known = {machine.address for machine in estate.machines} | {"127.0.0.1"}
    for rule in sql(
        host, "SELECT address, netmask FROM pg_hba_file_rules WHERE type <> 'local' AND auth_method <> 'reject'"
    ).splitlines():
        address, netmask = rule.split("|")
        assert address in known or any(address == source.split("/")[0] for source in declared), (
            f"a rule accepts {address}, which is no host of the inventory"
        )
        assert netmask == "255.255.255.255" or netmask.count("ffff") == 8 or address not in known, (
            f"a rule accepts {address} with mask {netmask}"
        )


@pytest.mark.item("DB-08")
@pytest.mark.group("postgres")
def test_roles_with_power_have_no_way_over_the_network(host):
    """Of the rules the server has loaded, none lets one of them in by a password, and all others turn them away."""
    asked = "SELECT type, array_to_string(user_name, ','), auth_method FROM pg_hba_file_rules ORDER BY rule_number"
    powerful, turned_away = {"postgres", "replicator", "rewind", "pgbouncer", "backup"}, False
    for line in sql(host, asked).splitlines():
        kind, roles, method = line.split("|")
        if kind == "local":
            continue
        turned_away |= method == "reject" and powerful <= set(roles.split(","))
        assert method in ("cert", "reject") or turned_away, f"a rule before they are turned away: {line}"
        assert method == "reject" or not powerful & set(roles.split(",")) or method == "cert", f"by password: {line}"
    assert turned_away, "no rule turns away the roles with power over the server"
    titles = host.check_output("grep -c '^# ' /etc/postgresql/17/main/pg_hba.conf")
    assert int(titles) >= 9, "the rules on the host don't say what each is for"


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres")
def test_the_backup_role_begins_backups_and_reads_no_rows(host, estate):
    """pgBackRest's role has no password, no table, and no power over the server."""
    asked = (
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolpassword IS NOT NULL, "
        "has_function_privilege('backup', 'pg_backup_start(text, boolean)', 'EXECUTE') "
        "FROM pg_authid WHERE rolname = 'backup'"
    )
    assert sql(host, asked) == "f|t", "the role backup is not as it should be"
    rights = sql(
        host,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND has_table_privilege('backup', oid, 'SELECT')",
        estate.postgres.POSTGRES_DB,
    )
    assert rights == "0", f"backup may read {rights} tables of the application"


# --- Encryption


@pytest.mark.item("LAW-04")
@pytest.mark.group("postgres")
def test_nothing_is_spoken_in_plain_text(host, hosts, app):
    """The server and Patroni's API refuse it; replicas stream under TLS 1.3."""
    for client in clients(hosts):
        answer = connect(client, f"{app(host.address).replace('verify-full', 'disable')}", password=app.password)
        assert "no encryption" in answer.stderr, f"{client.name} gets in without TLS: {answer.stdout or answer.stderr}"
    plain = host.run(f"curl -s -m 5 -o /dev/null http://{host.address}:8008/patroni")
    assert plain.rc != 0, "Patroni's API answers without TLS"
    weak = sql(
        host,
        "SELECT usename, client_addr, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE client_addr IS NOT NULL AND version IS DISTINCT FROM 'TLSv1.3'",
    )
    assert not weak, f"connections without TLS 1.3: {weak}"


@pytest.mark.group("postgres")
def test_patroni_takes_orders_from_its_own_alone(host, hosts):
    """An order needs a certificate of the internal CA, and the password beside it."""
    bare = host.run(f"{CURL} -o /dev/null -w '%{{http_code}}' -X PATCH -d '{{}}' {REST}/config")
    assert bare.stdout == "403", f"an order without certificate gets {bare.stdout}"
    pair = "--cert /etc/xteam/pki/postgres.crt --key /etc/xteam/pki/postgres.key"
    unproved = host.run(f"{CURL} {pair} -o /dev/null -w '%{{http_code}}' -X PATCH -d '{{}}' {REST}/config")
    assert unproved.stdout == "401", f"an order with a certificate but no password gets {unproved.stdout}"


# --- Replicas


@pytest.mark.item("DB-06")
@pytest.mark.group("postgres", first=True)
def test_read_endpoint_answers_from_a_replica(hosts, estate, app):
    """What is written to the leader can be read there at once (the lag is bounded)."""
    if len(hosts.group("postgres")) == 1:
        not_applicable("one PostgreSQL host: no replica")
    if not clients(hosts):
        not_applicable("no host of the application in the inventory")
    endpoint = app(estate.fqdn("postgres"), port=5441)
    for client in clients(hosts):
        answer = connect(client, endpoint, "SELECT pg_is_in_recovery()", app.password)
        assert answer.stdout.strip() == "t", f"{client.name} reads from: {answer.stdout or answer.stderr}"
        written = connect(client, endpoint, "CREATE TEMP TABLE probe ()", app.password)
        assert written.rc != 0, "the read endpoint accepts a write"
    bound = estate.postgres.postgres_replica_lag_max_mb * 1024 * 1024
    lags = sql(
        leader(hosts), "SELECT coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), -1) FROM pg_stat_replication"
    )
    assert all(0 <= int(float(lag)) <= bound for lag in lags.split()), f"replicas are behind by {lags.split()} bytes"


# --- Observation


@pytest.mark.item("PERF-02")
@pytest.mark.group("postgres", first=True)
def test_slow_statements_are_found(hosts, estate):
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
    lines = journal_since(host, since, mark)
    assert any("duration:" in line for line in lines), "it is not in the journal"
    plan = host.run(f"journalctl -u {UNIT} --since @{since} -o cat --no-pager").stdout
    assert re.search(r"Query Text: [^\n]*" + mark, plan), "its plan is not in the journal"


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
    rights = sql(
        host,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND has_table_privilege('monitor', oid, 'SELECT')",
        estate.postgres.POSTGRES_DB,
    )
    assert rights == "0", f"monitor may read {rights} tables of the application"


@pytest.mark.item("LAW-03")
@pytest.mark.group("postgres", first=True)
def test_changes_of_definitions_are_audited(hosts, estate):
    """What an administrator changes stands in the journal, which is shipped; even when it is rolled back."""
    host, mark = leader(hosts), f"probe_{secrets.token_hex(4)}"
    since = host.check_output("date +%s")
    sql(host, f"BEGIN; CREATE TABLE {mark} (); ROLLBACK", estate.postgres.POSTGRES_DB)
    lines = journal_since(host, since, mark)
    assert any("AUDIT: SESSION" in line and "DDL" in line for line in lines), f"no audit record: {lines}"
