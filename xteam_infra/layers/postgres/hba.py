"""PostgreSQL's access rules: who may connect from where as whom, and how they prove it. The first that fits decides."""

from dataclasses import dataclass
from ipaddress import ip_network

from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.needs import report_host
from xteam_infra.settings.hba import POWERFUL, is_network

# The account of the server is the role postgres; for Patroni's look at the local timeline replicator; for pgBackRest
# backup.
IDENT = ["server postgres postgres", "server postgres replicator", "server postgres backup"]
LOOPBACK = ("127.0.0.1/32",)
SCRAM = "scram-sha-256"


@dataclass(frozen=True)
class Rule:
    """One rule. networks: empty for the server's own socket, ("all",) for everywhere."""

    title: str
    databases: tuple[str, ...]
    roles: tuple[str, ...]
    method: str
    networks: tuple[str, ...] = ()
    kind: str = "hostssl"

    def lines(self) -> list[str]:
        """The title as a comment, and a line for each network."""
        who = f"{','.join(self.databases)} {','.join(self.roles)}"
        places = [f"{self.kind} {who} {network}" for network in self.networks] or [f"local {who}"]
        return [f"# {self.title}", *(f"{place} {self.method}" for place in places)]


def hba(estate: Estate) -> list[str]:
    """The lines every member loads."""
    return [line for rule in rules(estate) for line in rule.lines()]


def rules(estate: Estate) -> list[Rule]:
    """All rules in order."""
    nobody = Rule("Nobody else, and nobody without TLS", ("all",), ("all",), "reject", ("all",), kind="host")
    return [*_local(), *_cluster(estate), *_declared(estate), *_application(estate), nobody]


def _local() -> list[Rule]:
    """On the server's socket its own account is known by the kernel; everybody else has a password."""
    known = "peer map=server"
    return [
        Rule("The administrator, on the server's own host alone", ("all",), ("postgres",), known),
        Rule("Patroni's look at the local timeline", ("replication",), ("replicator",), known),
        Rule("pgBackRest, which reads the files as the server's account", ("all",), ("backup",), known),
        Rule("Everybody else on the server's host", ("all",), ("all",), SCRAM),
    ]


def _cluster(estate: Estate) -> list[Rule]:
    """Roles of the machinery. They have no password anywhere: the certificate's common name is the role."""
    members, clients = addresses(estate, ("postgres",)), addresses(estate, ("app", "worker"))
    database = (estate.postgres.POSTGRES_DB,)
    return [
        Rule("Replication between members", ("replication",), ("replicator",), "cert", members),
        Rule("pg_rewind between members", ("postgres",), ("rewind",), "cert", members),
        *_if(clients, Rule("PgBouncer asks for verifiers", database, ("pgbouncer",), "cert", clients)),
        Rule("Roles with power over the server: no other way", ("all",), POWERFUL, "reject", ("all",)),
    ]


def _declared(estate: Estate) -> list[Rule]:
    """What the settings add."""
    found = []
    for rule in estate.postgres.postgres_hba_rules:
        networks = addresses(estate, rule.sources)
        found += _if(networks, Rule(rule.title, rule.databases, rule.roles, rule.method, networks))
    return found


def _application(estate: Estate) -> list[Rule]:
    settings = estate.postgres
    clients = addresses(estate, ("app", "worker"))
    reports = report_host(estate)
    watched_from = ("postgres", "metrics", *((reports.address,) if reports else ()))
    watchers = tuple({*addresses(estate, watched_from), *LOOPBACK})
    # +role: the role and, while its password is being changed, the second login that stands for it.
    roles = tuple(f"+{role}" for role in (settings.POSTGRES_USER, "migrator", "readonly"))
    return [
        *_if(clients, Rule("The application, migrations, reports", (settings.POSTGRES_DB,), roles, SCRAM, clients)),
        Rule("Monitoring", ("all",), ("+monitor",), SCRAM, tuple(sorted(watchers))),
    ]


def addresses(estate: Estate, sources: tuple[str, ...]) -> tuple[str, ...]:
    """The networks behind groups and addresses, each once, in order of address."""
    networks = {str(ip_network(source)) for source in sources if is_network(source)}
    groups = [source for source in sources if not is_network(source)]
    networks |= {str(ip_network(machine.address)) for group in groups for machine in estate.members(group)}
    return tuple(sorted(networks))


def _if(networks: tuple[str, ...], rule: Rule) -> list[Rule]:
    """A rule for which there is no host at present would be one for the server's own socket."""
    return [rule] if networks else []
