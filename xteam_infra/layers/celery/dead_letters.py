"""Dead letters of the whole estate, from the controller: what xteam-deadletters does on any worker host."""

import re
from collections.abc import Iterator

from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.pyinfra_internals import run_on
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate

ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
TASK = re.compile(r"[A-Za-z_][\w.]*")


def validate_dead_letters(estate: Estate) -> None:
    """Raise SettingsError unless --data says which dead letters are meant."""
    if problems := list(unclear(estate)):
        raise SettingsError(problems)


def unclear(estate: Estate) -> Iterator[Problem]:
    """What is wrong with --data."""
    settings = estate.celery
    if not estate.members("worker"):
        yield Problem(estate.inventory, "worker", "no host", "a host with workers: nobody else has dead letters")
    if settings.dead_letters == "list":
        if settings.ids or settings.task:
            yield Problem("--data", "ids, task", "given", "nothing to list, which shows all; or dead_letters=replay")
        return
    if not settings.ids:
        yield Problem("--data", "ids", "nothing", "ID,ID,... as listed, or all")
    elif wrong := [one for one in settings.ids.split(",") if not ID.fullmatch(one)]:
        yield Problem("--data", "ids", repr(wrong), "ID,ID,... as listed, or all")
    if settings.task and not TASK.fullmatch(settings.task):
        yield Problem("--data", "task", settings.task, "a task's name, such as xteam.mail")


@operation(is_idempotent=False)
def dead_letters(action: str, ids: str | None, task: str | None) -> Commands:
    """List them, send the chosen ones again, or forget them; what was done is printed."""
    words = {"list": ["list"], "replay": ["replay"], "purge": ["drop"]}[action]
    if ids:
        words += ["--all"] if ids == "all" else ids.split(",")
    if task:
        words += ["--task", task]
    yield FunctionCommand(_run, (words,), {})


def _run(state: State, host: Host, words: list[str]) -> bool:
    """The names of the parameters are what pyinfra looks for."""
    command = StringCommand("xteam-deadletters", *[QuoteString(word) for word in words])
    done, _ = run_on(host, command, show=True)
    return done
