"""The steps of a change of password during which two logins are valid."""

# ruff: noqa: S608 - the names in these statements are checked against a pattern by the settings

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.operations.pending import will_change
from xteam_infra.engine.pyinfra_internals import commands_of
from xteam_infra.engine.runtime import here, open_estate, secret, vault
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.app.facts import Api
from xteam_infra.layers.app.operations import switch_api
from xteam_infra.layers.postgres.credentials_fact import Credentials, digest_of, lines_of
from xteam_infra.layers.postgres.facts import Answers, Question, psql
from xteam_infra.layers.postgres.operations import UNSEEN, replayed
from xteam_infra.layers.postgres.scram import verifier
from xteam_infra.plan import CA_PATH
from xteam_infra.release import Release
from xteam_infra.secrets import Secret
from xteam_infra.secrets.escape import sql
from xteam_infra.settings.postgres import NEXT


class Rotation(NamedTuple):
    """role: whose password changes. second: the login that stands for it meanwhile. old, new: the two passwords."""

    role: str
    second: str
    old: Secret
    new: Secret


def begin(estate: Estate) -> Rotation:
    """The change that --data secret=NAME asks for. Raises SettingsError when it asks for none that is possible."""
    settings = estate.postgres
    roles = {settings.passwords[role].name: role for role in (settings.POSTGRES_USER, "migrator", "readonly")}
    if settings.secret not in roles:
        raise SettingsError([Problem("--data", "secret", repr(settings.secret), f"one of {', '.join(roles)}")])
    if not estate.members("postgres"):
        raise SettingsError([Problem(estate.inventory, "postgres", "no host", "a PostgreSQL host")])
    role, old = roles[settings.secret], Secret(settings.secret)
    rotation = Rotation(role, f"{role}_next", old, Secret(f"{settings.secret}{NEXT}"))
    # Everything this run writes has the new password; the store learns of it when both are valid.
    vault().succeed(rotation.old, by=rotation.new)
    return rotation


@operation()
def second_login(rotation: Rotation) -> Commands:
    """On the leader: a login that acts as the role and has the new password. The old one stays as it is."""
    if not _leads():
        host.noop("another member leads")
        return
    vault().store_generated()
    role, second = rotation.role, rotation.second
    copied = (
        f"SELECT split_part(one, '=', 1) AS name, substr(one, strpos(one, '=') + 1) AS value FROM pg_db_role_setting, "
        f"unnest(setconfig) AS one WHERE setrole = '{role}'::regrole AND setdatabase = 0"
    )
    statements = [
        f"DO $$ BEGIN CREATE ROLE {second}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        f"ALTER ROLE {second} LOGIN PASSWORD {sql(verifier(secret(rotation.new)))};",
        f"GRANT {role} TO {second}; ALTER ROLE {second} RESET ALL; ALTER ROLE {second} SET role = '{role}';",
        f"DO $$ DECLARE s record; BEGIN FOR s IN {copied} LOOP "
        f"EXECUTE format('ALTER ROLE {second} SET %I = %L', s.name, s.value); END LOOP; END $$;",
    ]
    yield StringCommand(psql("postgres", "-v ON_ERROR_STOP=1"), _stdin=UNSEEN + "\n".join(statements))
    yield replayed()


@operation()
def proved_login(rotation: Rotation, ways: list[tuple[str, int]]) -> Commands:
    """The second login works from this host, by every way to the database: else nobody is sent there.

    ways: host name and port.
    """
    database = open_estate().postgres.POSTGRES_DB
    for name, port in ways:
        conninfo = (
            f"host={name} port={port} dbname={database} user={rotation.second} connect_timeout=5 "
            f"sslmode=verify-full sslrootcert={CA_PATH}"
        )
        ask = f"psql -XAtqwc 'SELECT current_user' {shlex.quote(conninfo)}"
        check = f'IFS= read -r PGPASSWORD; export PGPASSWORD; [ "$({ask})" = {rotation.role} ]'
        yield StringCommand(check, _stdin=f"{secret(rotation.new)}\n")


@operation()
def credentials(path: str, user: str, password: Secret) -> Commands:
    """Let the environment file `path` name another login, and leave everything else in it as it is."""
    if not host.get_fact(Credentials, path=path):
        host.noop(f"there is no {path}")
        return
    if state.is_executing and host.get_fact(Credentials, path=path) == digest_of(user, secret(password)):
        host.noop(f"{path} names this login")
        return
    will_change(path)
    yield from rewritten(path, lines_of(user, secret(password)))


def rewritten(path: str, lines: str) -> Iterator[StringCommand]:
    """Put `lines` in the place of those in `path` that set the same variables; owner and mode stay."""
    file, new = shlex.quote(path), shlex.quote(f"{path}.new")
    merge = "NR == FNR { line[$1] = $0; next } { print ($1 in line) ? line[$1] : $0 }"
    steps = (
        f"set -e; umask 077; awk -F= {shlex.quote(merge)} - {file} > {new}",
        f"chown --reference={file} {new}; chmod --reference={file} {new}; mv -fT {new} {file}",
    )
    yield StringCommand("; ".join(steps), _stdin=lines)


@operation()
def switch_to_present_files(inputs: list[str]) -> Commands:
    """Have the API serve the release it serves, with its present files."""
    found = host.get_fact(Api, paths=inputs)
    if not found.release:
        host.noop("no release is served here")
        return
    yield from commands_of(switch_api, Release(found.release, Path(), ""), [*inputs])


@operation()
def take_over(rotation: Rotation) -> Commands:
    """Give the role itself the new password, in the store first, and end what still runs under the old one."""
    if state.is_executing:
        vault().hand_over(rotation.old, by=rotation.new)
    if _leads():
        sets = f"ALTER ROLE {rotation.role} PASSWORD {sql(verifier(secret(rotation.new)))};"
        yield StringCommand(psql("postgres", "-v ON_ERROR_STOP=1"), _stdin=UNSEEN + sets)
        yield replayed()
    yield _ended(rotation.role)


@operation()
def close_second_login(rotation: Rotation) -> Commands:
    """Nobody uses the second login any more: take it away."""
    if not _leads():
        yield _ended(rotation.second)
        return
    second = rotation.second
    yield StringCommand(psql("postgres"), _stdin=f"ALTER ROLE {second} NOLOGIN;\n")
    yield _ended(second)
    given = f"REASSIGN OWNED BY {second} TO {rotation.role}; DROP OWNED BY {second};\n"
    yield StringCommand(psql(open_estate().postgres.POSTGRES_DB, "-v ON_ERROR_STOP=1"), _stdin=given)
    yield StringCommand(psql("postgres", "-v ON_ERROR_STOP=1"), _stdin=f"DROP ROLE {second};\n")


@operation()
def forget(rotation: Rotation) -> Commands:
    """Remove the entry of the store that says that a change is under way."""
    if state.is_executing:
        vault().forget(rotation.new)
    yield StringCommand("true")


def _leads() -> bool:
    """Whether this member leads; before there is a cluster the first one stands in a plan for the one that will."""
    answers = host.get_fact(Answers, questions=[Question("one", "postgres", "true")])
    return "leads" in answers or (
        not answers and not state.is_executing and here() == first_here(open_estate().members("postgres"))
    )


def _ended(role: str) -> StringCommand:
    sql = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}';\n"
    return StringCommand(psql("postgres"), ">/dev/null", _stdin=sql)
