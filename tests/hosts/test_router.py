"""The ways of the application to PostgreSQL and Redis, walked from the hosts it runs on."""

from shlex import quote

import pytest
from postgres_client import assert_goes_on, connect, leader, sql

from checklist.run import not_applicable
from tests.haproxy import servers_up
from xteam_infra.layers.postgres.needs import PORT
from xteam_infra.layers.router.needs import POOLER_PORT, READ_PORT, WRITE_PORT

# The first client prepares on a server connection; while another one holds that, the first executes on a second one.
# The application's clients use them too: up to ten take and keep one each, until one of them has got the first's.
PREPARED = """
import sys, time, psycopg
connect = lambda: psycopg.connect(sys.argv[1], autocommit=True, prepare_threshold=0)
answer = lambda client, asked, *values: client.execute(asked, values).fetchone()[0]
first, holding, held = connect(), [], []
before = answer(first, "SELECT pg_backend_pid() + %s::int", 0)
for _ in range(10):
    holding.append(connect())
    holding[-1].execute("BEGIN")
    held.append(answer(holding[-1], "SELECT pg_backend_pid()"))
    if held[-1] == before:
        break
    time.sleep(0.3)
else:
    sys.exit(f"none of ten clients was given the server connection {before}, but {held}")
after = answer(first, "SELECT pg_backend_pid() + %s::int", 0)
print("moved" if after not in held else f"{before} {held} {after}", answer(first, "SELECT %s::int + 1", 41))
"""
# All clients are there before the first one asks: however slow the host is, they ask at once.
CROWD = """
import sys, psycopg
from concurrent.futures import ThreadPoolExecutor
clients = [psycopg.connect(sys.argv[1], autocommit=True) for _ in range(int(sys.argv[2]))]
ask = lambda client: client.execute("SELECT pg_backend_pid() FROM pg_sleep(1)").fetchone()[0]
with ThreadPoolExecutor(len(clients)) as threads:
    print(*threads.map(ask, clients))
"""
# An interpreter with psycopg, and a password on its standard input; a script and its arguments follow.
PYTHON = "IFS= read -r PGPASSWORD; export PGPASSWORD; timeout 50 xteam-python -c"


def pooler(host, statement):
    """Ask PgBouncer's console, as the account it runs as."""
    command = (
        f"cd / && runuser -u postgres -- psql -XAt -h /run/xteam-pgbouncer -p {POOLER_PORT} -U pgbouncer pgbouncer"
    )
    return host.check_output(f"{command} -c {quote(statement)}").splitlines()


@pytest.fixture
def postgres(estate):
    if not estate.members("postgres"):
        not_applicable("no PostgreSQL host in the inventory")
    return estate.postgres


@pytest.fixture
def app(postgres, app, estate):
    """The application's conninfo for a port of this host, and its password."""

    def conninfo(port, **more):
        return app(estate.fqdn("pgbouncer" if port == POOLER_PORT else "postgres"), port, **more)

    conninfo.password = app.password
    return conninfo


@pytest.mark.group("app", "worker")
def test_router_write_port_reaches_leader(host, app, hosts, eventually):
    """Directly and through the pooler; the server's certificate is verified on the way."""

    leads = leader(hosts).address

    def arrives():
        for port in (WRITE_PORT, POOLER_PORT):
            answer = connect(host, app(port), "SELECT inet_server_addr(), pg_is_in_recovery()", app.password)
            assert answer.stdout.strip() == f"{leads}|f", f"port {port}: {answer.stdout or answer.stderr}"
        return True

    eventually(arrives, seconds=20)


@pytest.mark.group("app", "worker")
def test_router_read_port_always_answers(host, app, hosts, eventually):
    """From a replica while there is one, from the leader otherwise; through the pooler as a database of its own."""
    replicas = len(hosts.group("postgres")) > 1
    name = f"{app(POOLER_PORT).split('dbname=')[1].split()[0]}_ro"

    def answers():
        for conninfo in (app(READ_PORT), app(POOLER_PORT, dbname=name)):
            answer = connect(host, conninfo, "SELECT pg_is_in_recovery()", app.password)
            assert answer.stdout.strip() == ("t" if replicas else "f"), f"{answer.stdout or answer.stderr}"
        return True

    eventually(answers, seconds=20)


@pytest.mark.item("SEC-02")
@pytest.mark.group("app", "worker")
def test_pgbouncer_refuses_unauthorised_roles(host, app):
    """A wrong password; roles with power over the server, whatever the password."""
    wrong = connect(host, app(POOLER_PORT), password=app.password[::-1])
    assert "SASL authentication failed" in wrong.stderr, f"with a wrong password: {wrong.stdout or wrong.stderr}"
    for role in ("postgres", "replicator", "rewind", "pgbouncer"):
        answer = connect(host, app(POOLER_PORT, user=role), password=app.password)
        assert answer.rc != 0, f"{role} comes in through the pooler"


@pytest.mark.item("LAW-04")
@pytest.mark.group("app", "worker")
def test_pgbouncer_requires_tls(host, app):
    plain = connect(host, app(POOLER_PORT, sslmode="disable"), password=app.password)
    assert "SSL required" in plain.stderr, f"without TLS: {plain.stdout or plain.stderr}"
    answer = connect(
        host, app(POOLER_PORT), "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", app.password
    )
    assert answer.stdout.strip() == "TLSv1.3", f"PgBouncer reaches the server by {answer.stdout or answer.stderr}"


@pytest.mark.item("DB-03")
@pytest.mark.group("app", "worker")
def test_saturated_pgbouncer_queues_clients(host, app, estate):
    """More clients than server connections: all are served, by no more server connections than were allowed."""
    settings = estate.router
    allowed = min(settings.pgbouncer_pool_size + settings.pgbouncer_reserve_size, settings.pgbouncer_server_connections)
    many = min(allowed + 10, 60)
    answer = host.run_with_stdin(f"{PYTHON} {quote(CROWD)} {quote(app(POOLER_PORT))} {many}", f"{app.password}\n")
    served = answer.stdout.split()
    assert len(served) == many, f"not all of {many} clients got an answer: {answer.stderr[-300:]}"
    assert len(set(served)) <= allowed, f"{len(set(served))} server connections, {allowed} are allowed"


@pytest.mark.item("DB-03")
@pytest.mark.group("app", "worker")
def test_pgbouncer_pools_fit_max_connections(host, postgres, estate, hosts):
    """What PgBouncer runs with, on all hosts together, against the server's own limit."""
    running = dict(line.split("|")[:2] for line in pooler(host, "SHOW CONFIG"))
    settings = estate.router
    wanted = {
        "pool_mode": "transaction",
        "default_pool_size": str(settings.pgbouncer_pool_size),
        "max_db_connections": str(settings.pgbouncer_server_connections),
        "max_client_conn": str(settings.pgbouncer_client_connections),
    }
    assert {key: running[key] for key in wanted} == wanted, (
        f"PgBouncer runs with { {key: running[key] for key in wanted} }"
    )
    hosts_with_pooler = sum(bool({"app", "worker"} & set(machine.groups)) for machine in estate.machines)
    limit = int(sql(leader(hosts), "SHOW max_connections"))
    most = hosts_with_pooler * 2 * int(running["max_db_connections"])
    assert most < limit, f"all poolers may open {most} connections, the server takes {limit}"
    each = estate.app.database_pool_size + estate.app.database_max_overflow
    assert each * estate.app.api_workers <= int(running["max_client_conn"]), (
        "the API's pools exceed PgBouncer's clients"
    )


@pytest.mark.group("app", "worker")
def test_pgbouncer_stores_no_password(host):
    """It asks the server instead; the process has no list of users."""
    running = dict(line.split("|")[:2] for line in pooler(host, "SHOW CONFIG"))
    assert "pgbouncer.lookup" in running["auth_query"], f"auth_query is {running['auth_query']}"
    users = [line.split("|")[0] for line in pooler(host, "SHOW USERS")]
    listed = host.run("grep -c '^\"' /etc/pgbouncer/userlist.txt").stdout.strip()
    assert listed == "0", f"userlist.txt has {listed} passwords (PgBouncer knows {users})"


@pytest.mark.group("app", "worker")
def test_router_sees_one_leader_of_each(host, estate, hosts, eventually):
    """One PostgreSQL leader, and for each Redis role the master that Sentinel names."""

    def settled():
        up = servers_up(host)
        if estate.members("postgres"):
            assert len(up["postgres-leader"]) == 1, f"PostgreSQL leaders: {up['postgres-leader']}"
        if estate.members("redis"):
            for role in estate.redis.redis_instances:
                assert len(up[f"redis-{role}"]) == 1, f"masters of Redis {role}: {up[f'redis-{role}']}"
        return True

    eventually(settled, seconds=20)


@pytest.mark.group("app", "worker")
def test_router_is_reached_from_this_host_alone(host):
    """All its ports are on loopback."""
    listening = host.check_output("ss -Hltnp").splitlines()
    for line in listening:
        if '"haproxy"' in line and "xteam-router" in _unit_of(host, line):
            assert line.split()[3].startswith("127.0.0.1:"), f"the router listens on {line.split()[3]}"
        if '"pgbouncer"' in line:
            assert line.split()[3].startswith("127.0.0.1:"), f"PgBouncer listens on {line.split()[3]}"


def _unit_of(host, line):
    pid = line.split("pid=")[1].split(",")[0]
    return host.run(f"cat /proc/{pid}/cgroup").stdout


@pytest.mark.item("DB-03")
@pytest.mark.group("app", "worker")
def test_prepared_statements_work_through_pgbouncer(host, app):
    """What a client has prepared on one server connection it finds on another, to which the pooler brings it."""
    answer = host.run_with_stdin(f"{PYTHON} {quote(PREPARED)} {quote(app(POOLER_PORT))}", f"{app.password}\n")
    assert answer.stdout.split() == ["moved", "42"], f"{answer.stdout[-300:]} {answer.stderr[-300:]}"


@pytest.mark.item("DB-03")
@pytest.mark.group("app", "worker")
def test_pgbouncer_reload_drops_no_connection(host, app, eventually):
    """An open transaction goes on, new clients come in, and it stays the process it is.

    Of the router: tests/drills/test_router.py.
    """

    def process():
        return host.check_output("systemctl show -p MainPID -p NRestarts --value pgbouncer").split()

    before = process()
    assert_goes_on(host, app(POOLER_PORT), app.password, "systemctl reload pgbouncer")
    # One that is about to end waits for its clients, and lets nobody in.
    eventually(lambda: connect(host, app(POOLER_PORT), password=app.password).rc == 0, seconds=20)
    assert process() == before, "a reload has started a process anew"


@pytest.mark.item("DB-06")
@pytest.mark.group("app", "worker")
def test_multi_host_client_finds_leader(host, app, estate, hosts):
    """libpq's way without any router: all members in one conninfo, and what sort of server is wanted."""
    members = estate.members("postgres")
    names = ",".join(estate.fqdn(machine.name) for machine in members)
    ports = ",".join(str(PORT) for _ in members)
    asked = "SELECT inet_server_addr(), pg_is_in_recovery()"
    writes = connect(host, app(ports, host=names, target_session_attrs="read-write"), asked, app.password)
    assert writes.stdout.strip() == f"{leader(hosts).address}|f", f"read-write: {writes.stdout or writes.stderr}"
    reads = connect(host, app(ports, host=names, target_session_attrs="prefer-standby"), asked, app.password)
    wanted = "t" if len(members) > 1 else "f"
    assert reads.stdout.strip().endswith(f"|{wanted}"), f"prefer-standby: {reads.stdout or reads.stderr}"
