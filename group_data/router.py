"""On every host that runs the application or its workers: HAProxy, which knows who leads PostgreSQL and each Redis
role now, and PgBouncer, which shares few server connections among many clients."""

# On each host: server connections of one role to one database, more of them under pressure, and all to one database.
# hosts * 2 * pgbouncer_server_connections + 15 must fit into postgres_max_connections.
pgbouncer_pool_size = 20
pgbouncer_reserve_size = 5
pgbouncer_server_connections = 30

# Clients on each host. All processes' database_pool_size + database_max_overflow must fit in.
pgbouncer_client_connections = 1000

# Seconds a client may wait for a server connection.
pgbouncer_query_wait_seconds = 15

# Prepared statements kept on each server connection.
pgbouncer_prepared_statements = 200

# Connections HAProxy passes on at once, and seconds the process from before a reload keeps those it has.
router_connections = 4000
router_old_process_seconds = 60
