"""PostgreSQL 17 under Patroni. Hosts of the group `postgres` are one cluster; one of them leads."""

# The application's database and role. The password is made on the first run, unless the secrets store holds
# one at postgres/app (20 characters or more).
POSTGRES_DB = "xteam"
POSTGRES_USER = "xteam"

# Access beside that of the application, its migrations and the monitoring. Sources are groups of the inventory,
# addresses or networks; the firewall follows. For example:
# {"title": "Reports of the data team", "roles": ("readonly",), "databases": ("xteam",), "sources": ("10.9.0.0/24",)}
postgres_hba_rules = ()

# Memory (MiB) of PostgreSQL on its host: a quarter becomes shared_buffers.
postgres_memory_mb = 1024

# Server connections. All poolers' connections must fit in (pgbouncer_server_connections in router.py).
postgres_max_connections = 200

# Any other parameter, such as {"autovacuum_naptime": "30s"}; these override what is tuned.
postgres_parameters = {}

# Extensions the application needs, such as ("pg_trgm",).
postgres_extensions = ()

# How fast a lost leader is replaced: fast (about 25 s), normal (30 s), safe (60 s, for unsteady networks).
# By hand instead: postgres_timing = {"ttl": 40, "loop_wait": 10, "retry_timeout": 15}.
postgres_rto = "fast"

# "on": a commit waits for one replica while there is one. "strict": no replica, no commit.
# "off": a failover may lose the last commits.
postgres_synchronous = "on"

# A replica further behind (MiB of WAL) gets no reads.
postgres_replica_lag_max_mb = 16

# Tables to which the application's role only adds rows, and columns, by table, that it only reads: the tables' owner
# changes them (xteam-operate). Every such change is logged.
postgres_append_only_tables = ("audit",)
postgres_owner_columns = {"users": ("is_staff",)}

# Limits (seconds) of the application's statements, and of its transactions that do nothing.
postgres_statement_timeout_seconds = 30
postgres_idle_transaction_seconds = 60

# Slower statements (milliseconds) are logged; and this share of them with their plan.
postgres_slow_query_ms = 500
postgres_explain_sample = 0.2

# Cores PostgreSQL may count on, WAL (MiB) between two checkpoints, and WAL kept for a replica that is away.
# None: all cores of the host, a tenth and a quarter of the disk that holds the database.
postgres_cores = None
postgres_max_wal_mb = None
postgres_slot_wal_mb = None

# With backups: seconds after which a written segment is archived at the latest.
postgres_archive_timeout_seconds = 60

# Seconds a new member may take to copy the database. Raise it with the size of the data.
postgres_join_seconds = 600

# Restart members whose changed parameters need it: replicas first, then a switchover. False: only say which wait.
postgres_restart_when_needed = True

# When the monthly report on slow statements, indexes, bloat and settings is made (systemd's OnCalendar), and how many
# are kept, on the host of the metrics.
postgres_report_schedule = "*-*-01 05:20:00"
postgres_report_keep_months = 24
