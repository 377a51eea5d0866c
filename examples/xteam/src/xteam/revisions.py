"""Which schema revision the code wants and which one the database has."""

import ast
from functools import lru_cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def alembic_config() -> Config:
    """Alembic's configuration as installed with the package, wherever that is."""
    return Config(str(Path(__file__).with_name("alembic.ini")))


@lru_cache
def known() -> tuple[str, ...]:
    """The revisions of this release, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())


# What an upgrade may not do unless the revision says `contracts`: the release before it may still use it.
DESTRUCTIVE = {"drop_column", "drop_table", "drop_constraint", "rename_table", "alter_column", "execute"}


def problems() -> list[str]:
    """What is wrong with the revisions of this release.

    Expand first, contract a release later: an upgrade adds. One that removes, renames, changes a type or runs SQL of
    its own says in `contracts = "..."` why no release that is still in use minds."""
    directory = ScriptDirectory.from_config(alembic_config())
    heads = directory.get_heads()
    found = (
        []
        if len(heads) == 1
        else [f"{len(heads)} heads ({', '.join(sorted(heads))}): there must be one; alembic merge"]
    )
    for script in directory.walk_revisions():
        functions = {
            node.name: node
            for node in ast.parse(Path(script.path).read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        if "downgrade" not in functions or _is_empty(functions["downgrade"]):
            found.append(f"revision {script.revision} has no downgrade: there must be a way back")
        destroys = sorted(_calls(functions.get("upgrade")) & DESTRUCTIVE)
        if destroys and not getattr(script.module, "contracts", ""):
            words = (
                f'{", ".join(destroys)} in its upgrade: say `contracts = "why no release in use minds"`, or only add'
            )
            found.append(f"revision {script.revision} has {words}")
    return found


def _is_empty(function: ast.FunctionDef) -> bool:
    return all(
        isinstance(line, ast.Pass) or isinstance(getattr(line, "value", None), ast.Constant) for line in function.body
    )


def _calls(function: ast.FunctionDef | None) -> set[str]:
    nodes = ast.walk(function) if function else ()
    return {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}


def head() -> str:
    return known()[0]


def current(connection: Connection) -> str | None:
    """The database's revision, or None when it has never been migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def position(connection: Connection) -> str:
    """ok: at this release's head; behind: an older revision; ahead: one that a newer release made."""
    found = current(connection)
    if found == head():
        return "ok"
    return "behind" if found is None or found in known() else "ahead"
