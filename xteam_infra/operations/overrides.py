"""Refuses hosts on which somebody else's configuration wins over what the base layer sets."""

from collections.abc import Callable, Iterator

from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from pyinfra import inventory

from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Machine
from xteam_infra.facts.overrides import ConfigurationLines, Line
from xteam_infra.operations.files import HostFile
from xteam_infra.plan.overrides import overriding
from xteam_infra.runtime import open_estate

_lock = BoundedSemaphore()
_found: list[list[Problem]] = []


def refuse_overridden(files_of: Callable[[Machine], dict[str, HostFile]]) -> None:
    """Raise SettingsError with every line of every host of this run that wins over ours. Reads all hosts once.

    files_of: our files of a machine, by kind (facts/overrides.py).
    """
    with _lock:
        if not _found:
            estate = open_estate()
            hosts = list(inventory.get_active_hosts())
            lines = Pool(20).map(lambda one: one.get_fact(ConfigurationLines, _sudo=True), hosts)
            pairs = zip(hosts, lines, strict=True)
            found = [
                p for one, read in pairs for p in override_problems(files_of(estate.machine(one.name)), one.name, read)
            ]
            _found.append(found)
    if _found[0]:
        raise SettingsError(_found[0])


def override_problems(files: dict[str, HostFile], name: str, lines: list[Line]) -> Iterator[Problem]:
    """What wins over our files on one host."""
    for kind, file in files.items():
        for line, wanted in overriding(kind, file.dest, file.content, lines):
            where = f"{line.path} line {line.number}"
            yield Problem(f"host {name}", where, line.text, f"{wanted}, as in {file.dest}: remove that line")
