"""What all members of the PostgreSQL cluster share: Patroni's dynamic configuration, kept in etcd."""

from typing import Any

from xteam_infra.plan.tuning import parameters

# The account of the server is the role postgres and, for Patroni's look at the local timeline, replicator.
IDENT = ["patroni postgres postgres", "patroni postgres replicator"]


def dynamic(estate) -> dict[str, Any]:
    """The whole dynamic configuration; what is not in here is not wanted there."""
    settings = estate.postgres
    strict = {"synchronous_mode_strict": True} if settings.postgres_synchronous == "strict" else {}
    return {
        **settings.timing.model_dump(),
        "primary_start_timeout": 30,
        "primary_stop_timeout": 30,
        "maximum_lag_on_failover": 1024 * 1024,
        "check_timeline": True,
        # Without etcd the leader goes on as long as every member says that it follows.
        "failsafe_mode": True,
        "synchronous_mode": settings.postgres_synchronous != "off",
        **strict,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": parameters(settings, bool(estate.members("backup"))),
            "pg_hba": hba(estate),
            "pg_ident": IDENT,
        },
    }


def hba(estate) -> list[str]:
    """Who may connect from where as whom, and how they prove it. The first line that fits decides."""
    settings = estate.postgres
    members = [_network(machine.address) for machine in estate.members("postgres")]
    clients = sorted({_network(m.address) for group in ("app", "worker") for m in estate.members(group)})
    roles = f"{settings.POSTGRES_USER},migrator,readonly"
    database = settings.POSTGRES_DB
    return [
        "local all postgres peer map=patroni",
        "local replication replicator peer map=patroni",
        "local all all scram-sha-256",
        # Replication and rewinding have no password anywhere: the certificate's common name is the role.
        *(f"hostssl replication replicator {network} cert" for network in members),
        *(f"hostssl postgres rewind {network} cert" for network in members),
        *(f"hostssl {database} pgbouncer {network} cert" for network in clients),
        *(f"hostssl {database} {roles} {network} scram-sha-256" for network in clients),
        *(f"hostssl all monitor {network} scram-sha-256" for network in (*members, "127.0.0.1/32")),
        "host all all all reject",
    ]


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
