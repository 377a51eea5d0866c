"""For operators: python -m xteam.manage create-user | export | erase | cleanup | prune-audit"""

import argparse
import getpass
import json
import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from xteam import privacy
from xteam.config import get_settings
from xteam.database import engine
from xteam.files import remove_erased_users, remove_old_workspaces
from xteam.log import configure_logging
from xteam.models import Audit, User
from xteam.security import audit, hash_password

SHORTEST_PASSWORD = 12


def _password() -> str:
    """From standard input, never from the command line, which every process may read."""
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < SHORTEST_PASSWORD:
        raise SystemExit(f"the password needs {SHORTEST_PASSWORD} or more characters on standard input")
    return password


def _find(session: Session, name: str) -> User:
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise SystemExit(f"no user named {name}")
    return user


def create_user(session: Session, arguments: argparse.Namespace) -> str:
    user = session.scalar(select(User).where(User.name == arguments.name))
    if user and not arguments.update:
        raise SystemExit(f"there is a user named {arguments.name}; --update sets its password and staff flag")
    action = "update-user" if user else "create-user"
    user = user or User(name=arguments.name)
    user.password_hash = hash_password(_password())
    if arguments.staff != bool(user.is_staff):  # None: a new user
        user.is_staff = arguments.staff
    session.add(user)
    session.flush()
    audit(session, "operator", action, user.id)
    session.commit()
    return f"{action}: {user.name}, id {user.id}{', staff' if user.is_staff else ''}"


def export(session: Session, arguments: argparse.Namespace) -> str:
    user = _find(session, arguments.name)
    copy = json.dumps(privacy.export(session, user), indent=2)
    audit(session, "operator", "export", user.id)
    session.commit()
    return copy


def erase(session: Session, arguments: argparse.Namespace) -> str:
    erased = privacy.erase(session, _find(session, arguments.name), actor="operator")
    return f"erased {arguments.name}: {erased}; no backup has it from {privacy.gone_from_backups()} on"


def prune_audit(session: Session, arguments: argparse.Namespace) -> str:
    """As the tables' owner: the application may not."""
    oldest = datetime.now(UTC) - timedelta(days=arguments.days)
    # What erasures left on other hosts is found by their rows.
    old = delete(Audit).where(Audit.at < oldest, Audit.action != "erase")
    removed = session.execute(old).rowcount  # type: ignore[attr-defined]
    audit(session, "operator", "prune-audit", "-")
    session.commit()
    return f"removed {removed} audit rows from before {oldest.date().isoformat()}"


def cleanup(session: Session, _arguments: argparse.Namespace) -> str:
    return (
        f"removed {remove_old_workspaces(session)} old workspaces, {remove_erased_users(session)} files of erased users"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m xteam.manage", description="XTeam for operators.")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create-user", help="make a user; the password is read from standard input")
    create.set_defaults(run=create_user)
    create.add_argument("--staff", action="store_true", help="may use /debug; to be run as the tables' owner")
    create.add_argument("--update", action="store_true", help="change the user if there is one already")
    commands.add_parser("cleanup", help="remove old workspaces and erased users' files on this host").set_defaults(
        run=cleanup
    )
    prune = commands.add_parser("prune-audit", help="remove old audit rows; to be run as the tables' owner")
    prune.set_defaults(run=prune_audit)
    prune.add_argument("days", type=int, help="how many days of audit stay")
    copy = commands.add_parser("export", help="print everything kept about a user, as JSON")
    copy.set_defaults(run=export)
    forget = commands.add_parser("erase", help="forget a user for good")
    forget.set_defaults(run=erase)
    for command in (create, copy, forget):
        command.add_argument("name")
    arguments = parser.parse_args()
    configure_logging(get_settings().LOG_LEVEL, "stderr")
    with Session(engine()) as session:
        print(arguments.run(session, arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
