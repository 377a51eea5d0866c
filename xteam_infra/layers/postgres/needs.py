"""What the postgres layer needs of a host."""

from dataclasses import replace
from shlex import quote

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import PATRONI_CLIENTS, Account, Certificate, HostRequirements, Leave, ListenPort
from xteam_infra.settings.router import DATABASES

PORT = 5432
REST_PORT = 8008
# Connections a host may have to PostgreSQL beside those of its pooler.
BESIDE_POOL = 30
CLUSTER, UNIT, DATA = DISTRIBUTION.postgres_cluster, DISTRIBUTION.postgres_unit, DISTRIBUTION.postgres_data
# After a handover the old leader makes a last checkpoint and comes back as a replica.
LEAVE_SECONDS = 300
PATRONI_CLIENT = "patroni-client"
PATRONI = f"/etc/patroni/{CLUSTER}.yml"
# Patroni is asked by the routers and by the other members; PostgreSQL also by the monitoring.
CLIENTS = ("app", "worker", "postgres")

# The monthly report: an account of its own, which can read the monitoring role's password and nothing else.
REPORT_ACCOUNT = "xteam-report"
REPORT_UNIT = "xteam-postgres-report.service"
REPORT_TIMER = "xteam-postgres-report.timer"
REPORTS = "/var/lib/xteam-reports/postgres"
# Memory (MiB) of the report while it is made: 40 resident, the rest for many statements and tables.
REPORT_MB = 128

# Memory (MiB) of Patroni itself beside the server: 60 resident when idle.
PATRONI_MB = 128

# Where Linux has a watchdog, Patroni keeps it quiet as long as it leads and looks.
WATCHDOG = "/dev/watchdog"

# Writes a row on the leader every few seconds (heartbeat.py). Memory (MiB) of a shell and, for a moment, psql.
HEARTBEAT_UNIT = "xteam-heartbeat.service"
HEARTBEAT_MB = 64

# The role a client certificate opens is its common name. Only the account of the server may read these keys.
REPLICATOR = Certificate("replicator", Subject("replicator", purpose="client"), owner="postgres")
REWIND = Certificate("rewind", Subject("rewind", purpose="client"), owner="postgres")
# etcd's gateway, which Patroni speaks to, refuses certificates that have a common name.
ETCD_CLIENT = Certificate("etcd-client", Subject("", purpose="client"), owner="postgres")

# The server's package makes and starts a cluster of its own on installation unless this file is there before it.
CREATECLUSTER = "/etc/postgresql-common/createcluster.d/10-xteam.conf"
# Checksums are not PostgreSQL's default; the built-in C.UTF-8 sorts the same on every host and release.
INITDB = (
    "--data-checksums --auth-local=peer --auth-host=scram-sha-256 "
    "--encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8"
)
CREATECLUSTER_TEXT = f"""# Clusters are made by Patroni, not by the installation of a package.
create_main_cluster = false
initdb_options = '{INITDB}'
"""


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """A member of the PostgreSQL cluster, reachable by the routers and by the other members; the monthly report."""
    member = _member(estate, machine) if "postgres" in machine.groups else HostRequirements()
    if machine != report_host(estate):
        return member
    return replace(
        member,
        packages=(*member.packages, "python3", "python3-psycopg", "python3-jinja2"),
        accounts=(*member.accounts, Account(REPORT_ACCOUNT)),
        memory_mb={**member.memory_mb, "PostgreSQL's report": REPORT_MB},
        units=(*member.units, REPORT_TIMER),
    )


def report_host(estate: Estate) -> Machine | None:
    """Where the monthly report is made and kept: with the metrics, else the logs, else the first member."""
    if not estate.members("postgres"):
        return None
    return next(machine for group in ("metrics", "logs", "postgres") for machine in estate.members(group))


def _member(estate: Estate, machine: Machine) -> HostRequirements:
    reports = report_host(estate)
    return HostRequirements(
        # python3-etcd: Patroni imports it for etcd 3 too, and its package does not demand it.
        packages=(DISTRIBUTION.postgres_server, DISTRIBUTION.postgres_pgaudit, "patroni", "python3-etcd"),
        files={CREATECLUSTER: CREATECLUSTER_TEXT},
        listens=(
            ListenPort(
                PORT,
                "PostgreSQL",
                (*CLIENTS, "metrics", *((reports.address,) if reports else ()), *_declared_sources(estate)),
                tls="postgres",
                clients=(REPLICATOR.name, REWIND.name, "pgbouncer-client"),
                accounts=("haproxy", "postgres", "root", REPORT_ACCOUNT),
                most=DATABASES * estate.router.pgbouncer_server_connections + BESIDE_POOL,
            ),
            ListenPort(
                REST_PORT,
                "Patroni",
                CLIENTS,
                tls="tls",
                clients=(PATRONI_CLIENT, "router-client"),
                issuer=PATRONI_CLIENTS,
                accounts=("haproxy", "postgres", "root"),
                most=64,  # a thread each
            ),
        ),
        certificates=(
            server_certificate(estate, machine),
            patroni_client_certificate(machine),
            ETCD_CLIENT,
            REPLICATOR,
            REWIND,
        ),
        memory_mb={"postgresql": estate.postgres.postgres_memory_mb, "patroni": PATRONI_MB, "heartbeat": HEARTBEAT_MB},
        units=(UNIT, HEARTBEAT_UNIT),
        whole={"PostgreSQL": _whole(estate)},
        leaves={"PostgreSQL": _leave(estate, machine)} if len(estate.members("postgres")) > 1 else {},
    )


def _leave(estate: Estate, machine: Machine) -> Leave:
    """A leader hands over to a member that has every commit, and follows it; the others have nothing to do."""
    leads = f'xteam-patronictl list -f json | grep -oE \'"Member": "{machine.name}"[^}}]*"Role": "Leader"\''
    over = f"XTEAM_TIMEOUT=120 xteam-patronictl switchover --leader {machine.name} --force"
    # The condition says why, at every try.
    wait = f"timeout {LEAVE_SECONDS} sh -c {quote(f'until ( {_whole(estate)} ) >/dev/null 2>&1; do sleep 1; done')}"
    return Leave(f"{over} && {wait} && ! {leads}", leads=leads)


def _whole(estate: Estate) -> str:
    """Shell: every member runs or streams, one that has every commit is there, and Patroni is not paused."""
    members = len(estate.members("postgres"))
    steps = [
        "said=$(xteam-patronictl list -f json)",
        f'[ "$(echo "$said" | grep -oE \'"State": "(running|streaming)"\' | wc -l)" -eq {members} ]',
    ]
    if members > 1 and estate.postgres.postgres_synchronous != "off":
        steps.append("echo \"$said\" | grep -qE '(Sync|Quorum) Standby'")
    steps.append("! xteam-patronictl show-config | grep -q '^pause: true'")
    return f"{' && '.join(steps)} || {{ echo 'not all members run and stream: xteam-patronictl list'; exit 1; }}"


def _declared_sources(estate: Estate) -> tuple[str, ...]:
    """Where the added access rules let somebody in from."""
    opening = [rule for rule in estate.postgres.postgres_hba_rules if rule.method != "reject"]
    return tuple(dict.fromkeys(source for rule in opening for source in rule.sources))


def patroni_client_certificate(machine: Machine) -> Certificate:
    """By which Patroni's API lets in the other members, patronictl and root of a member."""
    subject = Subject(f"{PATRONI_CLIENT}.{machine.name}", purpose="client")
    return Certificate(PATRONI_CLIENT, subject, owner="postgres", issuer=PATRONI_CLIENTS)


def server_certificate(estate: Estate, machine: Machine) -> Certificate:
    """What the server and Patroni's API show. Clients that come through a router verify the service's name."""
    dns = (estate.fqdn("postgres"), machine.name, estate.fqdn(machine.name), "localhost")
    return Certificate("postgres-server", Subject(machine.name, dns, (machine.address, "127.0.0.1")), owner="postgres")
