"""Rows that the application may add and not change, and columns it may not write, asked as its own database user."""

# ruff: noqa: S608 - the names in these statements are checked against a pattern by the settings

from uuid import uuid4

import pytest
from postgres_client import clients, connect, leader, sql

from checklist.run import not_applicable

pytestmark = pytest.mark.group("postgres", first=True)


@pytest.fixture
def database(hosts, estate):
    """On the leader, in the application's database: `database(statements)`."""
    host = leader(hosts)
    return lambda statements: sql(host, statements, estate.postgres.POSTGRES_DB)


@pytest.fixture
def ask(hosts, app):
    """As the application, over the network; what it changes is taken back."""
    if not clients(hosts):
        not_applicable("no host of the application in the inventory")
    address = leader(hosts).address

    def run(statement):
        return connect(clients(hosts)[0], app(address), f"BEGIN; {statement}; ROLLBACK", app.password)

    return run


@pytest.mark.item("LAW-03", kind="wire")
def test_audit_tables_are_append_only(estate, database, ask):
    """Nor does it get around: by truncating, by a lock that keeps others out, by a trigger."""
    for table in estate.postgres.postgres_append_only_tables:
        column = database(f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 2")
        read = ask(f"SELECT count(*) FROM {table}")
        assert read.rc == 0, f"the application can't read {table}: {read.stderr}"
        for statement in (
            f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}", f"TRUNCATE {table}",
            f"LOCK {table} IN ACCESS EXCLUSIVE MODE", f"ALTER TABLE {table} ADD COLUMN x int", f"DROP TABLE {table}",
        ):  # fmt: skip
            answer = ask(statement)
            refused = "permission denied" in answer.stderr or "must be owner" in answer.stderr
            assert refused, f"the application may: {statement}: {answer.stdout}{answer.stderr}"
        assert database(f"SELECT has_table_privilege('{estate.postgres.POSTGRES_USER}', '{table}', 'INSERT')") == "t"


@pytest.mark.item("SEC-02", kind="wire")
def test_application_role_cannot_write_owner_columns(estate, ask):
    """Columns that say who may do more are written by the tables' owner alone."""
    for table, columns in estate.postgres.postgres_owner_columns.items():
        for column in columns:
            update, insert = f"UPDATE {table} SET {column} = {column}", f"INSERT INTO {table} ({column}) VALUES (NULL)"
            for statement in (update, insert):
                answer = ask(statement)
                assert "permission denied" in answer.stderr, f"the application may: {statement}: {answer.stderr}"
            read = ask(f"SELECT {column} FROM {table} LIMIT 1")
            assert read.rc == 0, f"the application can't read {table}.{column}: {read.stderr}"


@pytest.mark.item("LAW-03")
def test_event_trigger_protects_new_partitions(estate, database):
    """A further part of a protected table, and a further column beside a protected one."""
    app, mark = estate.postgres.POSTGRES_USER, uuid4().hex[:8]
    for table in estate.postgres.postgres_append_only_tables:
        part = f"verify_{mark}"
        made = f"BEGIN; SET ROLE migrator; CREATE TABLE {part} () INHERITS ({table}); RESET ROLE; "
        asked = f"SELECT has_table_privilege('{app}', '{part}', 'INSERT'), has_table_privilege('{app}', '{part}', "
        found = database(f"{made}{asked}'UPDATE, DELETE, TRUNCATE'); ROLLBACK")
        assert found == "t|f", f"a part of {table} is not protected: {found}"
    for table in estate.postgres.postgres_owner_columns:
        made = f"BEGIN; SET LOCAL lock_timeout = '5s'; SET ROLE migrator; ALTER TABLE {table} ADD COLUMN verify int; "
        asked = f"RESET ROLE; SELECT has_column_privilege('{app}', '{table}', 'verify', 'UPDATE'); ROLLBACK"
        assert database(made + asked) == "t", f"a new column of {table} is closed to the application"


@pytest.mark.item("LAW-03")
def test_writes_to_protected_tables_are_audited_in_collector(hosts, estate, database, eventually):
    """Whoever makes them: here the tables' owner, who may."""
    mark = uuid4().hex
    for table, columns in estate.postgres.postgres_owner_columns.items():
        database(f"SET ROLE migrator; /* {mark} */ UPDATE {table} SET {columns[0]} = {columns[0]} WHERE false")
    for table in estate.postgres.postgres_append_only_tables:
        database(f"SET ROLE migrator; /* {mark} */ DELETE FROM {table} WHERE false")
    wanted = len(estate.postgres.postgres_owner_columns) + len(estate.postgres.postgres_append_only_tables)
    if hosts.group("logs"):
        where, look = hosts.group("logs")[0], "journalctl --directory /var/log/journal/remote"
    else:
        where, look = leader(hosts), "journalctl"

    def told():
        lines = where.run(f"{look} --since -5min -o cat --no-pager --grep {mark}").stdout.splitlines()
        found = [line for line in lines if "AUDIT: OBJECT" in line and "WRITE" in line]
        assert len(found) >= wanted, f"{where.name} was told of {len(found)} of {wanted} writes to protected objects"
        return found

    eventually(told, seconds=30)
