"""Who comes into PostgreSQL, by which proof, and that nothing is said in plain text."""

import select
import socket
import time
from shlex import quote

import pytest
from postgres_client import CURL, PORT, REST, clients, connect, conninfo_of, leader, readable_tables, sql

from checklist.run import not_applicable
from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.layers.postgres.needs import REST_PORT

PATIENCE = 3  # seconds until a port counts as closed


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
def test_pg_hba_has_no_trust_rule(host):
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
def test_privileged_roles_require_client_certificate(host, hosts):
    """The superuser never over the network; replication not without the certificate of its role."""
    for client in (*clients(hosts), host):
        answer = connect(client, conninfo_of(host.address, user="postgres", dbname="postgres"))
        assert answer.rc != 0 and "pg_hba.conf rejects" in answer.stderr, (
            f"postgres from {client.name}: {answer.stderr}"
        )
    replicator = {"user": "replicator", "dbname": "postgres", "replication": "true"}
    bare = connect(host, conninfo_of(host.address, **replicator), "IDENTIFY_SYSTEM")
    assert "certificate" in bare.stderr, f"replication without certificate: {bare.stdout or bare.stderr}"
    pki = "/etc/xteam/pki"
    pair = {"sslcert": f"{pki}/rewind.crt", "sslkey": f"{pki}/rewind.key"}
    other = conninfo_of(host.address, **replicator, **pair)
    wrong = host.run(f"cd / && PGCONNECT_TIMEOUT=5 runuser -u postgres -- psql -XAtw {quote(other)} -c IDENTIFY_SYSTEM")
    assert "certificate authentication failed" in wrong.stderr, (
        f"replication with another's certificate: {wrong.stderr}"
    )


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres", first=True)
def test_application_role_cannot_change_schema(hosts, app):
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
    # Where the monthly report is made: with the metrics, else with the logs.
    reports = {"metrics"} if estate.members("metrics") else {"logs"}
    allowed = {PORT: roles | reports | declared, REST_PORT: roles}
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
def test_privileged_roles_have_no_password_rule(host):
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
    titles = host.check_output(f"grep -c '^# ' {DISTRIBUTION.postgres_configuration}/pg_hba.conf")
    assert int(titles) >= 9, "the rules on the host don't say what each is for"


@pytest.mark.item("SEC-02")
@pytest.mark.group("postgres")
def test_backup_role_reads_no_rows(host, estate):
    """pgBackRest's role has no password, no table, and no power over the server."""
    asked = (
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolpassword IS NOT NULL, "
        "has_function_privilege('backup', 'pg_backup_start(text, boolean)', 'EXECUTE') "
        "FROM pg_authid WHERE rolname = 'backup'"
    )
    assert sql(host, asked) == "f|t", "the role backup is not as it should be"
    rights = readable_tables(host, "backup", estate.postgres.POSTGRES_DB)
    assert rights == 0, f"backup may read {rights} tables of the application"


@pytest.mark.item("LAW-04")
@pytest.mark.group("postgres")
def test_postgres_refuses_plaintext(host, hosts, app):
    """The server and Patroni's API refuse it; replicas stream under TLS 1.3."""
    for client in clients(hosts):
        answer = connect(client, app(host.address, sslmode="disable"), password=app.password)
        assert "no encryption" in answer.stderr, f"{client.name} gets in without TLS: {answer.stdout or answer.stderr}"
    plain = host.run(f"curl -s -m 5 -o /dev/null http://{host.address}:{REST_PORT}/patroni")
    assert plain.rc != 0, "Patroni's API answers without TLS"
    weak = sql(
        host,
        "SELECT usename, client_addr, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE client_addr IS NOT NULL AND version IS DISTINCT FROM 'TLSv1.3'",
    )
    assert not weak, f"connections without TLS 1.3: {weak}"


@pytest.mark.group("postgres")
def test_patroni_api_requires_client_certificate(host, hosts):
    """Nothing is answered without a certificate of Patroni's clients; an order needs the password beside it."""
    bare = host.run(f"curl -s -m 5 -k -o /dev/null -w '%{{http_code}}' {REST}/patroni")
    assert bare.stdout == "000", f"a question without certificate gets {bare.stdout}"
    unproved = host.run(f"{CURL} -o /dev/null -w '%{{http_code}}' -X PATCH -d '{{}}' {REST}/config")
    assert unproved.stdout == "401", f"an order with a certificate but no password gets {unproved.stdout}"
