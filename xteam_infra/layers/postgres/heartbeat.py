"""A row that the leader writes again and again: replication is never idle, and its lag can be seen everywhere.

docs/operations/postgres.md explains the table's columns; backups and drills read it, too.
"""

# ruff: noqa: S608 - the names in these statements are this file's own

from xteam_infra.layers.postgres.goal import Goal

DATABASE = "postgres"
SECONDS = 10
# Long enough to compare a restore of any backup that is kept for a week with what was there.
DAYS = 8

TABLE = """CREATE SCHEMA IF NOT EXISTS xteam_ops;
REVOKE ALL ON SCHEMA xteam_ops FROM PUBLIC;
CREATE TABLE IF NOT EXISTS xteam_ops.heartbeat (
    at timestamptz PRIMARY KEY, note text NOT NULL, last_at timestamptz NOT NULL, beats integer NOT NULL DEFAULT 1);
"""
# Each row's note seals the row before it, so a gap or a change in what was restored shows.
BEAT = f"""
DECLARE
    moment timestamptz := clock_timestamp();
    minute timestamptz := date_trunc('minute', moment);
BEGIN
    IF NOT pg_is_in_recovery() THEN
        UPDATE xteam_ops.heartbeat SET last_at = moment, beats = beats + 1 WHERE at = minute;
        IF NOT FOUND THEN
            INSERT INTO xteam_ops.heartbeat (at, note, last_at)
            SELECT minute, encode(sha256(convert_to(
                       coalesce((SELECT note FROM xteam_ops.heartbeat ORDER BY at DESC LIMIT 1), '')
                       || extract(epoch FROM minute)::bigint, 'UTF8')), 'hex'), moment;
            DELETE FROM xteam_ops.heartbeat WHERE at < minute - interval '{DAYS} days';
        END IF;
    END IF;
    RETURN (SELECT extract(epoch FROM max(last_at)) FROM xteam_ops.heartbeat);
END
"""


def goal() -> Goal:
    """The table, written to by the server's own account alone, and read by the role monitor."""
    function = "xteam_ops.beat()"
    return Goal(
        "heartbeat",
        DATABASE,
        "SELECT to_regclass('xteam_ops.heartbeat') IS NOT NULL AND prosrc = $beat$" + BEAT + "$beat$ "
        "AND NOT has_function_privilege('public', oid, 'EXECUTE') "
        "AND has_table_privilege('monitor', 'xteam_ops.heartbeat', 'SELECT') "
        "AND has_schema_privilege('monitor', 'xteam_ops', 'USAGE') "
        f"FROM pg_proc WHERE oid = '{function}'::regprocedure",
        f"{TABLE}CREATE OR REPLACE FUNCTION {function} RETURNS double precision LANGUAGE plpgsql "
        f"SET search_path = pg_catalog AS $beat${BEAT}$beat$;\n"
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC;\n"
        "REVOKE ALL ON xteam_ops.heartbeat FROM PUBLIC;\n"
        "GRANT USAGE ON SCHEMA xteam_ops TO monitor;\nGRANT SELECT ON xteam_ops.heartbeat TO monitor;",
    )
