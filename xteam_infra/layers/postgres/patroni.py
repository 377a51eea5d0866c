"""What all members of the PostgreSQL cluster share: Patroni's dynamic configuration, kept in etcd."""

from typing import Any

from xteam_infra.estate import Estate
from xteam_infra.layers.postgres.hba import IDENT, hba
from xteam_infra.layers.postgres.tuning import parameters


def dynamic(estate: Estate) -> dict[str, Any]:
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
