"""What the members are asked. Every answer is a list of dictionaries."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]
Rows = list[Row]
# {member: {question: its answer}}
Answers = dict[str, dict[str, Rows]]

# Of everything this database has run since the statistics began, without the monitoring's own questions.
STATEMENTS = """
SELECT queryid::text AS id, left(regexp_replace(query, '/\\*.*?\\*/|\\s+', ' ', 'g'), 400) AS query,
       sum(calls)::bigint AS calls, sum(total_exec_time) / 1000 AS seconds, max(max_exec_time) AS worst_ms,
       sum(rows)::bigint AS rows, sum(temp_blks_written)::bigint AS temp
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.userid
WHERE d.datname = current_database() AND r.rolname NOT IN ('monitor', 'postgres', 'pgbouncer')
GROUP BY 1, 2 ORDER BY seconds DESC LIMIT 500
"""
INDEXES = """
SELECT i.schemaname || '.' || i.indexrelname AS name, i.relname AS table, i.idx_scan AS scans,
       pg_relation_size(i.indexrelid) AS bytes, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_stat_user_indexes i JOIN pg_index x USING (indexrelid)
WHERE NOT x.indisunique AND NOT x.indisexclusion
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
TABLES = """
SELECT relid, schemaname || '.' || relname AS name, pg_total_relation_size(relid) AS bytes,
       pg_relation_size(relid) AS heap, n_live_tup AS rows, n_dead_tup AS dead, seq_scan AS scans,
       seq_tup_read AS scanned, coalesce(idx_scan, 0) AS lookups,
       greatest(last_vacuum, last_autovacuum)::text AS vacuumed
FROM pg_stat_user_tables ORDER BY bytes DESC
"""
# A deletion or an update of the referenced row reads the whole referencing table without one.
FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text AS table, c.conname AS name,
       (SELECT string_agg(a.attname, ', ' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS columns
FROM pg_constraint c WHERE c.contype = 'f' AND NOT EXISTS (
  SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
    AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
"""
# By number: the monitoring role may not look names up in schemas that are not open to it.
BLOAT = """
SELECT dead_tuple_percent AS dead_percent, approx_free_percent AS free_percent,
       approx_free_space + dead_tuple_len AS bytes
FROM public.pgstattuple_approx(%s)
"""
SETTINGS = "SELECT name, setting, unit, source, sourcefile, pending_restart FROM pg_settings"
OVERVIEW = """
SELECT split_part(current_setting('server_version'), ' ', 1) AS version, pg_is_in_recovery() AS follows,
       pg_database_size(current_database()) AS bytes, numbackends AS sessions, deadlocks, temp_bytes, conflicts,
       round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 2)::float AS hit_percent,
       xact_commit AS commits, xact_rollback AS rollbacks,
       (SELECT max(age(datfrozenxid)) FROM pg_database) AS xid_age,
       coalesce(stats_reset, pg_postmaster_start_time())::timestamp(0)::text AS since
FROM pg_stat_database WHERE datname = current_database()
"""
# The functions scan what the visibility map does not vouch for; larger tables first, so many and no more.
BLOAT_TABLES, BLOAT_FLOOR = 25, 1024 * 1024


def members(conninfos: dict[str, str], password: str) -> tuple[Answers, dict[str, str]]:
    """What each member says, and of those that can't be asked, why. Bloat is measured on the first that answers."""
    answers: Answers = {}
    silent = {}
    for name, conninfo in conninfos.items():
        try:
            answers[name] = member(conninfo, password, deep=not answers)
        except psycopg.OperationalError as error:
            silent[name] = str(error).strip()
    return answers, silent


def member(conninfo: str, password: str, deep: bool) -> dict[str, Rows]:
    """Everything one member says. deep: also look for bloat, which reads tables."""
    with psycopg.connect(conninfo, password=password, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET statement_timeout = '300s'")
        asked = {"overview": OVERVIEW, "statements": STATEMENTS, "indexes": INDEXES, "tables": TABLES}
        asked |= {"foreign_keys": FOREIGN_KEYS, "settings": SETTINGS}
        found = {name: connection.execute(query).fetchall() for name, query in asked.items()}
        if deep:
            found["bloat"] = _bloat(connection, found["tables"])
    return found


def _bloat(connection: psycopg.Connection[Row], tables: Rows) -> Rows:
    large = [table for table in tables if table["heap"] >= BLOAT_FLOOR][:BLOAT_TABLES]
    return [{"name": t["name"], **_one(connection.execute(BLOAT, [t["relid"]]).fetchall())} for t in large]


def _one(rows: Rows) -> Row:
    return rows[0] if rows else {}
