"""PostgreSQL's servers as checks ask them: as their own account, as a client, and through Patroni."""

from shlex import quote

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.layers.postgres.needs import PORT, REST_PORT
from xteam_infra.plan.needs import CA_PATH

CA = CA_PATH
CURL = f"curl -s -m 5 --cacert {CA} --cert /etc/xteam/pki/patroni-client.crt --key /etc/xteam/pki/patroni-client.key"
REST = f"https://127.0.0.1:{REST_PORT}"
UNIT = DISTRIBUTION.postgres_unit


def sql(host, statements, database="postgres"):
    """The answer of the server on this host to its own account."""
    command = f"cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database} -c {quote(statements)}"
    return host.check_output(command)


def readable_tables(host, role, database):
    """How many tables of the application a role may read."""
    asked = (
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "  # noqa: S608 - our own roles
        f"AND has_table_privilege('{role}', oid, 'SELECT')"
    )
    return int(sql(host, asked, database))


def connect(host, conninfo, statement="SELECT 1", password=""):
    """Connect from `host` over the network; a password goes by standard input."""
    given = "IFS= read -r PGPASSWORD; export PGPASSWORD PGCONNECT_TIMEOUT=5; "
    return host.run_with_stdin(f"{given}timeout 30 psql -XAtw {quote(conninfo)} -c {quote(statement)}", f"{password}\n")


def assert_goes_on(host, conninfo, password, command):
    """A transaction that is open while a command runs on its client's host goes on, on the same server connection."""
    statements = f"BEGIN; SELECT pg_backend_pid() AS pid \\gset\n\\! {command}\nSELECT pg_sleep(1); "
    statements += "SELECT pg_backend_pid() = :pid; COMMIT;"
    given = f"IFS= read -r PGPASSWORD; export PGPASSWORD; psql -XAtqw -v ON_ERROR_STOP=1 {quote(conninfo)}"
    said = host.run_with_stdin(given, f"{password}\n{statements}\n", timeout=60)
    assert said.stdout.split()[-1:] == ["t"], f"the transaction did not go on: {said.stdout} {said.stderr}"


def conninfo_of(address, port=PORT, **more):
    """A conninfo that verifies the server's certificate."""
    values = {"host": address, "port": port, "sslmode": "verify-full", "sslrootcert": CA, **more}
    return " ".join(f"{key}={value}" for key, value in values.items())


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
