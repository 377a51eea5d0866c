"""Who may do what in PostgreSQL: roles, the database, its schema. Each goal says how it is asked and how reached."""

# ruff: noqa: S608 - the names in these statements are checked against a pattern by the settings

from xteam_infra.layers.postgres import protected_rows as protected
from xteam_infra.layers.postgres.goal import Goal
from xteam_infra.settings.postgres import PostgresSettings

# What the application and readers may do with the tables, sequences and functions that migrations make.
TABLE_RIGHTS = {"app": ("SELECT", "INSERT", "UPDATE", "DELETE"), "readonly": ("SELECT",)}
SEQUENCE_RIGHTS = {"app": ("USAGE", "SELECT", "UPDATE"), "readonly": ("SELECT",)}

# pgstattuple: the monthly report measures bloat with it, without reading a row.
EXTENSIONS = ("pgaudit", "pg_stat_statements", "pgstattuple")

# PgBouncer asks for the verifier of the role that logs in, and so keeps no password itself. Roles with power over
# the server can't be looked up, so they can't come in through the pooler.
LOOKUP = """
  SELECT rolname::text, rolpassword::text FROM pg_catalog.pg_authid
  WHERE rolname = who AND rolcanlogin AND NOT rolsuper AND NOT rolreplication AND NOT rolbypassrls
    AND NOT rolcreaterole AND rolpassword LIKE 'SCRAM-SHA-256$%'
"""


def goals(settings: PostgresSettings) -> list[Goal]:
    """Every goal, in the order in which they can be reached."""
    app, database = settings.POSTGRES_USER, settings.POSTGRES_DB
    roles = (app, "migrator", "readonly", "monitor", "pgbouncer", "backup")
    return [
        *(_role(role) for role in roles),
        *_role_settings(settings),
        _memberships(roles),
        _database(database),
        *(_closed(name) for name in ("postgres", "template1", database)),
        _connect("postgres", ("rewind", "monitor", "backup")),
        _connect(database, roles),
        _granted("migrator may make schemas", database, "migrator", "CREATE, TEMPORARY"),
        _extension("pg_stat_statements", "postgres"),
        *(_extension(name, database) for name in (*EXTENSIONS, *settings.postgres_extensions)),
        _schema_owner(database),
        _schema_rights(database, app),
        _default_rights(database, app),
        _table_rights(settings),
        *protected.goals(settings),
        _no_rows(database, ("monitor", "pgbouncer", "backup")),
        _lookup(database),
        _backup_rights(),
    ]


def _role(role: str) -> Goal:
    attributes = ("SUPER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")
    none = " AND ".join(f"NOT rol{name.lower()}" for name in attributes)
    off = " ".join(f"NO{name if name != 'SUPER' else 'SUPERUSER'}" for name in attributes)
    return Goal(
        f"role {role}",
        "postgres",
        f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}' AND rolcanlogin AND {none})",
        f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n"
        f"ALTER ROLE {role} LOGIN {off};",
    )


def _role_settings(settings: PostgresSettings) -> list[Goal]:
    wanted = {
        settings.POSTGRES_USER: {
            "idle_in_transaction_session_timeout": f"{settings.postgres_idle_transaction_seconds}s",
            "statement_timeout": f"{settings.postgres_statement_timeout_seconds}s",
        },
        "readonly": {"default_transaction_read_only": "on"},
    }
    return [_settings_of(role, values) for role, values in wanted.items()]


def _settings_of(role: str, values: dict[str, str]) -> Goal:
    listed = ", ".join(f"'{key}={value}'" for key, value in sorted(values.items()))
    current = (
        "SELECT array_agg(one ORDER BY one) FROM pg_db_role_setting, unnest(setconfig) AS one "
        f"WHERE setrole = '{role}'::regrole AND setdatabase = 0"
    )
    sets = " ".join(f"ALTER ROLE {role} SET {key} = '{value}';" for key, value in values.items())
    return Goal(
        f"settings of role {role}",
        "postgres",
        f"coalesce(({current}) = ARRAY[{listed}], false)",
        f"ALTER ROLE {role} RESET ALL; {sets}",
    )


def _memberships(roles: tuple[str, ...]) -> Goal:
    """monitor sees statistics, backup parameters and checkpoints; no role stands in for another."""
    names = ", ".join(f"'{role}'" for role in roles)
    memberships = (
        "SELECT roleid::regrole::text AS granted, member::regrole::text AS member FROM pg_auth_members "
        f"WHERE member::regrole::text IN ({names})"
    )
    return Goal(
        "memberships",
        "postgres",
        f"(SELECT string_agg(member || ' in ' || granted, ', ' ORDER BY member, granted) FROM ({memberships}) AS m) = "
        "'backup in pg_checkpoint, backup in pg_read_all_settings, monitor in pg_monitor'",
        f"DO $$ DECLARE m record; BEGIN FOR m IN {memberships} LOOP "
        "EXECUTE format('REVOKE %s FROM %s', m.granted, m.member); END LOOP; END $$;\n"
        "GRANT pg_monitor TO monitor; GRANT pg_checkpoint, pg_read_all_settings TO backup;",
    )


def _database(database: str) -> Goal:
    return Goal(
        f"database {database}",
        "postgres",
        f"SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{database}')",
        f"CREATE DATABASE {database};",
    )


def _closed(database: str) -> Goal:
    """Every role may connect to every database unless this right is taken from the public."""
    return Goal(
        f"{database} is closed to the public",
        "postgres",
        f"NOT has_database_privilege('public', '{database}', 'CONNECT, TEMPORARY, CREATE')",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;",
    )


def _connect(database: str, roles: tuple[str, ...]) -> Goal:
    held = " AND ".join(f"has_database_privilege('{role}', '{database}', 'CONNECT')" for role in roles)
    grant = f"GRANT CONNECT ON DATABASE {database} TO {', '.join(roles)};"
    return Goal(f"{database} is open to its roles", "postgres", held, grant)


def _granted(name: str, database: str, role: str, rights: str) -> Goal:
    held = " AND ".join(f"has_database_privilege('{role}', '{database}', '{right}')" for right in rights.split(", "))
    return Goal(name, "postgres", held, f"GRANT {rights} ON DATABASE {database} TO {role};")


def _extension(extension: str, database: str) -> Goal:
    return Goal(
        f"extension {extension} in {database}",
        database,
        f"SELECT EXISTS (SELECT FROM pg_extension WHERE extname = '{extension}')",
        f'CREATE EXTENSION IF NOT EXISTS "{extension}";',
    )


def _schema_owner(database: str) -> Goal:
    return Goal(
        "migrator owns the schema",
        database,
        "SELECT nspowner = 'migrator'::regrole FROM pg_namespace WHERE nspname = 'public'",
        "ALTER SCHEMA public OWNER TO migrator;",
    )


def _schema_rights(database: str, app: str) -> Goal:
    users = (app, "readonly")
    held = [f"has_schema_privilege('{role}', 'public', 'USAGE')" for role in users]
    held += [f"NOT has_schema_privilege('{role}', 'public', 'CREATE')" for role in (*users, "public")]
    return Goal(
        "schema open to its users, for migrator to change",
        database,
        " AND ".join(held),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"
        f"REVOKE ALL ON SCHEMA public FROM {', '.join(users)};\nGRANT USAGE ON SCHEMA public TO {', '.join(users)};",
    )


def _default_rights(database: str, app: str) -> Goal:
    """What migrations will make is open to the application without a grant in any migration."""
    wanted, grants = [], []
    for kind, word, rights in (("r", "TABLES", TABLE_RIGHTS), ("S", "SEQUENCES", SEQUENCE_RIGHTS)):
        for who, allowed in rights.items():
            role = app if who == "app" else who
            wanted += [f"('{kind}', '{role}', '{right}')" for right in allowed]
            grants.append(f"GRANT {', '.join(allowed)} ON {word} TO {role};")
    alter = "ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA public"
    held = (
        "SELECT count(*) FROM pg_default_acl, aclexplode(defaclacl) "
        "WHERE defaclrole = 'migrator'::regrole AND defaclnamespace = 'public'::regnamespace "
        f"AND (defaclobjtype::text, grantee::regrole::text, privilege_type) IN ({', '.join(wanted)})"
    )
    return Goal(
        "rights on what migrations will make",
        database,
        f"({held}) = {len(wanted)}",
        "\n".join(f"{alter} {grant}" for grant in grants),
    )


def _table_rights(settings: PostgresSettings) -> Goal:
    """The same rights on what is there already, such as restored tables. Protected ones have others."""
    database, app = settings.POSTGRES_DB, settings.POSTGRES_USER
    held, grants = [], []
    for who, allowed in TABLE_RIGHTS.items():
        role = app if who == "app" else who
        held += [f"has_table_privilege('{role}', oid, '{right}')" for right in allowed]
        grants.append(f"EXECUTE format('GRANT {', '.join(allowed)} ON %s TO {role}', t.name);")
    tables = (
        "FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm') AND relowner = 'migrator'::regrole "
        f"AND oid NOT IN ({protected.members(settings)})"
    )
    return Goal(
        "rights on the tables there are",
        database,
        f"NOT EXISTS (SELECT {tables} AND NOT ({' AND '.join(held)}))",
        f"DO $$ DECLARE t record; BEGIN FOR t IN SELECT oid::regclass::text AS name {tables} LOOP "
        f"{' '.join(grants)} END LOOP; END $$;",
    )


def _no_rows(database: str, roles: tuple[str, ...]) -> Goal:
    """Roles that see no row, whatever somebody granted."""
    any_right = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"
    held = " OR ".join(f"has_table_privilege('{role}', oid, '{any_right}')" for role in roles)
    tables = "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    return Goal(
        "no rows for roles that need none",
        database,
        f"NOT EXISTS (SELECT {tables} AND ({held}) AND relowner = 'migrator'::regrole)",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {', '.join(roles)};",
    )


def _lookup(database: str) -> Goal:
    function = "pgbouncer.lookup(text)"
    return Goal(
        "look-up for PgBouncer",
        database,
        f"SELECT prosecdef AND proretset AND prosrc = $lookup${LOOKUP}$lookup$ AND proowner = 'postgres'::regrole "
        f"AND proconfig = ARRAY['search_path=\"\"'] AND NOT has_function_privilege('public', oid, 'EXECUTE') "
        f"AND has_function_privilege('pgbouncer', oid, 'EXECUTE') "
        f"AND has_schema_privilege('pgbouncer', 'pgbouncer', 'USAGE') "
        f"FROM pg_proc WHERE oid = '{function}'::regprocedure",
        "CREATE SCHEMA IF NOT EXISTS pgbouncer AUTHORIZATION postgres;\n"
        # A set: no row at all for a role that may not come in, which PgBouncer calls "no such user".
        f"BEGIN;\nDROP FUNCTION IF EXISTS {function};\n"
        "CREATE FUNCTION pgbouncer.lookup(who text) RETURNS TABLE (name text, verifier text) "
        f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $lookup${LOOKUP}$lookup$;\n"
        f"ALTER FUNCTION {function} OWNER TO postgres;\n"
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC;\nREVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;\n"
        f"GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;\nGRANT EXECUTE ON FUNCTION {function} TO pgbouncer;\nCOMMIT;",
    )


def _backup_rights() -> Goal:
    """What pgBackRest calls: it begins and ends a backup, and no more. It reads the files as the server's account."""
    functions = (
        "pg_backup_start(text, boolean)",
        "pg_backup_stop(boolean)",
        "pg_create_restore_point(text)",
        "pg_switch_wal()",
    )
    held = " AND ".join(f"has_function_privilege('backup', '{function}', 'EXECUTE')" for function in functions)
    grant = f"GRANT EXECUTE ON FUNCTION {', '.join(functions)} TO backup;"
    return Goal("backup may begin and end a backup", "postgres", held, grant)
