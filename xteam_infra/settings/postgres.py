"""Settings of the postgres layer."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from xteam_infra.secrets import Secret
from xteam_infra.settings.hba import POWERFUL, HbaRule
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.schedule import Calendar

# Added to a password's name: the one that a rotation is about to put in its place.
NEXT = ".next"
MEMORY_FLOOR_MB = 256
# Connections that are neither an application's nor a pooler's: superuser_reserved_connections, Patroni,
# the monitoring role, a migration, an administrator.
OWN_CONNECTIONS = 15

Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]

# Parameters that Patroni, the certificates or another setting decide.
DECIDED = {
    "archive_command", "archive_mode", "archive_timeout", "cluster_name", "config_file", "data_directory",
    "hba_file", "hot_standby", "ident_file", "listen_addresses", "max_connections", "password_encryption",
    "pgaudit.role", "port", "primary_conninfo", "shared_preload_libraries", "ssl", "ssl_ca_file", "ssl_cert_file",
    "ssl_key_file", "ssl_min_protocol_version", "synchronous_standby_names", "unix_socket_directories",
    "wal_level", "wal_log_hints",
}  # fmt: skip


class Timing(BaseModel):
    """How fast Patroni decides. All values in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ttl: int = Field(ge=20)
    """Life of the leader's lease: the longest time without a leader after its host has gone. Patroni's floor is 20."""
    loop_wait: int = Field(ge=1)
    """Time between two looks at the cluster."""
    retry_timeout: int = Field(ge=3)
    """How long etcd or PostgreSQL may be silent before the leader steps down."""

    @model_validator(mode="after")
    def _fits(self) -> "Timing":
        if self.loop_wait + 2 * self.retry_timeout > self.ttl:
            raise ValueError(
                f"loop_wait + 2 * retry_timeout <= ttl (now {self.loop_wait} + 2 * {self.retry_timeout} > {self.ttl}):"
                " otherwise a leader steps down over one slow answer"
            )
        return self


RTO = {
    # Measured: 20 to 26 s without writes after a host is lost.
    "fast": Timing(ttl=20, loop_wait=5, retry_timeout=5),
    # Patroni's own default; measured 28 s.
    "normal": Timing(ttl=30, loop_wait=10, retry_timeout=10),
    # For networks that stall for seconds.
    "safe": Timing(ttl=60, loop_wait=10, retry_timeout=20),
}


class PostgresSettings(LayerSettings):
    """group_data/postgres.py"""

    layer: ClassVar[str] = "postgres"

    POSTGRES_DB: str = Field("xteam", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """The application's database."""
    POSTGRES_USER: str = Field("xteam", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """The role the application works as: it reads and writes rows, and changes no table's definition."""
    POSTGRES_PASSWORD: Secret = Secret("postgres/app")
    """That role's password."""
    postgres_migrator_password: Secret = Secret("postgres/migrator")
    """Password of the role `migrator`, which owns the schema and runs migrations."""
    postgres_readonly_password: Secret = Secret("postgres/readonly")
    """Password of the role `readonly`, for people and reports."""
    postgres_monitor_password: Secret = Secret("postgres/monitor")
    """Password of the role `monitor`, which sees statistics but no rows."""
    patroni_rest_password: Secret = Secret("patroni/rest")
    """Password that changes through Patroni's API need beside a client certificate."""

    postgres_hba_rules: tuple[HbaRule, ...] = ()
    """Access beside that of the application, its migrations and the monitoring."""

    postgres_memory_mb: int = Field(1024, ge=MEMORY_FLOOR_MB)
    """Memory (MiB) of PostgreSQL on its host. A quarter becomes shared_buffers; the rest is sessions and page cache."""
    postgres_max_connections: int = Field(200, ge=20, le=5000)
    """Server connections. The sum of all poolers' connections must fit in."""
    postgres_parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """PostgreSQL parameters that override the tuned ones."""
    postgres_extensions: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], ...] = ()
    """Extensions the application needs in its database, beside pgaudit and pg_stat_statements."""
    postgres_append_only_tables: tuple[Identifier, ...] = ("audit",)
    """Tables of the application, with their partitions, into which its role writes rows that it can neither change nor
    delete. A write of anybody else is in the server's log."""
    postgres_owner_columns: dict[Identifier, tuple[Identifier, ...]] = Field(default={"users": ("is_staff",)})
    """Columns by table that the application's role reads and never writes, such as who may do more. What changes them
    runs as the tables' owner (xteam-operate), and is in the server's log."""
    postgres_rto: Literal["fast", "normal", "safe"] = "fast"
    """How fast a lost leader is replaced: fast (about 25 s), normal (30 s), safe (60 s, for unsteady networks)."""
    postgres_timing: Timing | None = None
    """Patroni's ttl, loop_wait and retry_timeout by hand, instead of postgres_rto."""
    postgres_synchronous: Literal["on", "strict", "off"] = "on"
    """on: a commit waits for one replica while there is one. strict: no replica, no commit.
    off: a failover may lose the last commits."""
    postgres_replica_lag_max_mb: int = Field(16, ge=1)
    """A replica further behind (MiB of WAL) gets no reads."""
    postgres_statement_timeout_seconds: int = Field(30, ge=0)
    """The application's longest statement; 0 sets no limit."""
    postgres_idle_transaction_seconds: int = Field(60, ge=0)
    """An open transaction of the application that does nothing for so long is ended; 0 sets no limit."""
    postgres_slow_query_ms: int = Field(500, ge=0)
    """Statements that take longer are logged."""
    postgres_explain_sample: float = Field(0.2, ge=0, le=1)
    """Share of the slow statements whose plan is logged: 0.2 is one of five. 0 logs no plan."""
    postgres_cores: int | None = Field(None, ge=1, le=512)
    """Cores that PostgreSQL may count on; None: all its host has."""
    postgres_max_wal_mb: int | None = Field(None, ge=256)
    """WAL (MiB) between two checkpoints; recovery after a crash reads at most so much. None: a tenth of the disk."""
    postgres_slot_wal_mb: int | None = Field(None, ge=512)
    """WAL (MiB) kept for a replica that is away; one away for longer is made anew. None: a quarter of the disk."""
    postgres_archive_timeout_seconds: int = Field(60, ge=10)
    """With backups: a written segment is archived after so long at the latest, so this bounds what a disaster takes."""
    postgres_join_seconds: int = Field(600, ge=60)
    """How long a new member may take to copy the database before the run is called failed."""

    postgres_restart_when_needed: bool = True
    """Restart members whose changed parameters need it, one at a time. False: only say which ones wait."""

    postgres_report_schedule: Calendar = "*-*-01 05:20:00"
    """When the monthly report on slow statements, indexes, bloat and settings is made, as systemd's OnCalendar."""
    postgres_report_keep_months: int = Field(24, ge=2, le=120)
    """Reports that are kept."""

    candidate: str | None = Field(None, exclude=True)
    """Only for tasks/switchover.py, as --data candidate=db2: the member that is to lead."""
    secret: str | None = Field(None, exclude=True)
    """Only for tasks/rotate_secret.py, as --data secret=postgres/app: the password to change."""

    @property
    def timing(self) -> Timing:
        """The timing in force."""
        return self.postgres_timing or RTO[self.postgres_rto]

    @property
    def passwords(self) -> dict[str, Secret]:
        """The password of each role that has one."""
        return {
            self.POSTGRES_USER: self.POSTGRES_PASSWORD,
            "migrator": self.postgres_migrator_password,
            "readonly": self.postgres_readonly_password,
            "monitor": self.postgres_monitor_password,
        }

    @field_validator("POSTGRES_USER")
    @classmethod
    def _own_role(cls, value: str) -> str:
        if value in (*POWERFUL, "migrator", "readonly", "monitor", "auditor"):
            raise ValueError("a role of its own: this name has another purpose")
        return value

    @field_validator("postgres_parameters")
    @classmethod
    def _free_parameters(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(DECIDED & set(value)):
            raise ValueError(f"parameters that no other setting decides; remove {', '.join(taken)}")
        return value
