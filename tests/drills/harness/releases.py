"""Releases for drills: copies of the example with something changed, and which of them serves."""

import shutil
from pathlib import Path
from uuid import uuid4

EXAMPLE = Path("examples/xteam")
REVISIONS = "src/xteam/migrations/versions"

REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = {name!r}, {after!r}
{more}
def upgrade():
    {upgrade}
def downgrade():
    {downgrade}
"""


def revision(name, after, upgrade="pass", downgrade="op.get_bind()", more=""):
    """An edit that adds a migration."""
    text = REVISION.format(name=name, after=after, upgrade=upgrade, downgrade=downgrade, more=more)
    return (f"{REVISIONS}/{name}.py", None, text)


class Versions:
    """Copies of the application with something changed: `versions("bad", ("src/xteam/main.py", "old", "new"))`."""

    def __init__(self, directory):
        self.directory = directory

    def __call__(self, name, *edits):
        """edits: (path, old text, new text); an old text of None: the file is made, a new one of None: removed."""
        copy = self.directory / name
        shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", "tests", "dist", ".*"))
        for path, old, new in edits:
            file = copy / path
            if new is None:
                file.unlink()
                continue
            before = "" if old is None else file.read_text()
            assert old is None or old in before, f"{path} has no {old!r}"
            file.write_text(new if old is None else before.replace(old, new))
        return str(copy)

    def good(self, *edits):
        """One that works, and was never released."""
        mark = uuid4().hex[:6]
        return self(f"good-{mark}", ("src/xteam/__init__.py", None, f'__version__ = "{mark}"\n'), *edits)


def serving(hosts):
    """{host: the release its API serves}"""
    found = {}
    for host in hosts.group("app"):
        lines = [line.split() for line in host.check_output("xteam-switch status").splitlines()]
        found[host.name] = next((line[3] for line in lines if line[2] == "serves"), None)
    return found
