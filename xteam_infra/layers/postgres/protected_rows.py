"""Rows that the application's role may add and not change, columns it may read and not write; both are audited.

A function of the database holds the rules, and an event trigger calls it at the end of every change of a table: a new
partition of the audit, or a new column, is never open for a moment.
"""

# ruff: noqa: S608 - the names in these statements are checked against a pattern by the settings

from xteam_infra.layers.postgres.goal import Goal
from xteam_infra.settings.postgres import PostgresSettings

SCHEMA, FUNCTION, TRIGGER = "xteam_rights", "xteam_rights.protect()", "xteam_protect"
# What an audited table's rows are changed by. The application's own INSERT is not logged again.
CHANGES = ("UPDATE", "DELETE", "TRUNCATE")

# Each table of the list with all its partitions, as long as they are what migrations made.
MEMBERS = """WITH RECURSIVE member AS (
    SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND relname = ANY (ARRAY[{names}]::name[])
    UNION SELECT inhrelid FROM pg_inherits JOIN member ON inhparent = member.oid)
SELECT member.oid FROM member JOIN pg_class USING (oid) WHERE relowner = 'migrator'::regrole"""


def goals(settings: PostgresSettings) -> list[Goal]:
    """The function, the trigger, and that both have done their work."""
    database = settings.POSTGRES_DB
    body = _body(settings)
    return [
        Goal(
            "role auditor, which stands for what is audited",
            "postgres",
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditor' AND NOT rolcanlogin AND NOT rolsuper)",
            "DO $$ BEGIN CREATE ROLE auditor; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n"
            "ALTER ROLE auditor NOLOGIN NOSUPERUSER;",
        ),
        Goal(
            "rules for protected tables",
            database,
            f"SELECT prosrc = $body${body}$body$ AND proowner = 'postgres'::regrole AND prosecdef "
            f"AND NOT has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc "
            f"WHERE oid = '{FUNCTION}'::regprocedure",
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION postgres;\n"
            f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC;\n"
            f"CREATE OR REPLACE FUNCTION {FUNCTION} RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER "
            f"SET search_path = pg_catalog AS $body${body}$body$;\n"
            f"ALTER FUNCTION {FUNCTION} OWNER TO postgres;\nREVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC;",
        ),
        Goal(
            "protection after every change of a table",
            database,
            f"SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = '{TRIGGER}' AND evtenabled = 'O' "
            f"AND evtfoid = '{FUNCTION}'::regprocedure)",
            f"DROP EVENT TRIGGER IF EXISTS {TRIGGER};\n"
            f"CREATE EVENT TRIGGER {TRIGGER} ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', "
            f"'SELECT INTO', 'ALTER TABLE') EXECUTE FUNCTION {FUNCTION};",
        ),
        Goal(
            "rights on protected tables",
            database,
            f"NOT EXISTS ({wrong(settings)})",
            # A change of a table that changes nothing: the trigger does the work.
            "DO $$ BEGIN CREATE TABLE public.xteam_touch (); DROP TABLE public.xteam_touch; END $$;",
        ),
    ]


def wrong(settings: PostgresSettings) -> str:
    """SQL: each protected table on which somebody has rights he must not have, or lacks those he needs."""
    app = settings.POSTGRES_USER
    return f"SELECT FROM ({_append_only(settings)}) AS t WHERE {_wrong_table(app)}" + "".join(
        f" UNION ALL SELECT FROM ({MEMBERS.format(names=_quoted((table,)))}) AS t WHERE {_wrong_columns(app, columns)}"
        for table, columns in settings.postgres_owner_columns.items()
    )


def names(settings: PostgresSettings) -> tuple[str, ...]:
    """Tables whose rights are not those of the others."""
    return (*settings.postgres_append_only_tables, *settings.postgres_owner_columns)


def members(settings: PostgresSettings) -> str:
    """SQL: the oid of each of them and of their partitions."""
    return MEMBERS.format(names=_quoted(names(settings)))


def _append_only(settings: PostgresSettings) -> str:
    return MEMBERS.format(names=_quoted(settings.postgres_append_only_tables))


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _wrong_table(app: str) -> str:
    return (
        f"has_table_privilege('{app}', oid, 'UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') "
        f"OR has_any_column_privilege('{app}', oid, 'UPDATE') "
        f"OR NOT has_table_privilege('{app}', oid, 'SELECT') OR NOT has_table_privilege('{app}', oid, 'INSERT') "
        f"OR NOT has_table_privilege('readonly', oid, 'SELECT') OR "
        + " OR ".join(f"NOT has_table_privilege('auditor', oid, '{one}')" for one in CHANGES)
    )


def _wrong_columns(app: str, columns: tuple[str, ...]) -> str:
    kept = f"attname = ANY (ARRAY[{_quoted(columns)}]::name[])"
    may = " OR ".join(
        f"has_column_privilege('{app}', attrelid, attnum, '{one}') = ({kept}) "
        f"OR has_column_privilege('auditor', attrelid, attnum, '{one}') <> ({kept})"
        for one in ("INSERT", "UPDATE")
    )
    return (
        f"has_table_privilege('{app}', oid, 'TRUNCATE, REFERENCES, TRIGGER') "
        f"OR NOT has_table_privilege('{app}', oid, 'SELECT') OR NOT has_table_privilege('{app}', oid, 'DELETE') "
        f"OR NOT has_table_privilege('readonly', oid, 'SELECT') "
        f"OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped AND ({may}))"
    )


def _body(settings: PostgresSettings) -> str:
    """PL/pgSQL. It touches only what is wrong; a GRANT calls no event trigger of ours, so it does not call itself."""
    app = settings.POSTGRES_USER
    loops = [
        f"    FOR t IN SELECT oid::regclass::text AS name FROM ({_append_only(settings)}) AS t\n"
        f"        WHERE {_wrong_table(app)} LOOP\n"
        f"        EXECUTE format('REVOKE ALL ON %s FROM {app}, auditor', t.name);\n"
        f"        EXECUTE format('GRANT SELECT, INSERT ON %s TO {app}', t.name);\n"
        f"        EXECUTE format('GRANT SELECT ON %s TO readonly', t.name);\n"
        f"        EXECUTE format('GRANT {', '.join(CHANGES)} ON %s TO auditor', t.name);\n    END LOOP;\n"
    ]
    for table, columns in settings.postgres_owner_columns.items():
        kept = f"attname = ANY (ARRAY[{_quoted(columns)}]::name[])"
        listed = (
            "(SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid = t.oid "
            "AND attnum > 0 AND NOT attisdropped AND {} ({}))"
        )
        loops.append(
            f"    FOR t IN SELECT oid, oid::regclass::text AS name "
            f"FROM ({MEMBERS.format(names=_quoted((table,)))}) AS t\n"
            f"        WHERE {_wrong_columns(app, columns)} LOOP\n"
            f"        others := {listed.format('NOT', kept)};\n        own := {listed.format('', kept)};\n"
            f"        EXECUTE format('REVOKE ALL ON %s FROM {app}, auditor', t.name);\n"
            f"        EXECUTE format('GRANT SELECT, DELETE, INSERT (%s), UPDATE (%s) ON %s TO {app}', "
            f"others, others, t.name);\n"
            f"        EXECUTE format('GRANT SELECT ON %s TO readonly', t.name);\n"
            f"        IF own IS NOT NULL THEN\n"
            f"            EXECUTE format('GRANT INSERT (%s), UPDATE (%s) ON %s TO auditor', own, own, t.name);\n"
            f"        END IF;\n    END LOOP;\n"
        )
    return f"\nDECLARE\n    t record;\n    others text;\n    own text;\nBEGIN\n{''.join(loops)}END\n"
