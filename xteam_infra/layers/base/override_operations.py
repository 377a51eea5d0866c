"""Refuses hosts on which somebody else's configuration wins over what the base layer sets."""

from collections.abc import Callable, Iterator

from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from pyinfra import inventory

from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.runtime import open_estate
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.layers.base.override_facts import ConfigurationLines, Line
from xteam_infra.layers.base.overrides import names_lost, overriding, overriding_drop_ins
from xteam_infra.machine import Machine

_lock = BoundedSemaphore()
_found: list[list[Problem]] = []


def require_no_overrides(files_of: Callable[[Machine], dict[str, HostFile]]) -> None:
    """Raise SettingsError with every line of every host of this run that wins over ours. Reads all hosts once.

    files_of: our files of a machine, by kind (layers/base/override_facts.py).
    """
    with _lock:
        if not _found:
            estate = open_estate()
            hosts = list(inventory.get_active_hosts())
            lines = Pool(20).map(lambda one: one.get_fact(ConfigurationLines, _sudo=True), hosts)
            found: list[Problem] = []
            for one, read in zip(hosts, lines, strict=True):
                found += override_problems(files_of(estate.machine(one.name)), one.name, read)
            _found.append(found)
    if _found[0]:
        raise SettingsError(_found[0])


def override_problems(files: dict[str, HostFile], name: str, lines: list[Line]) -> Iterator[Problem]:
    """What wins over our files on one host."""
    for kind, file in files.items():
        for line, wanted in overriding(kind, file.dest, file.content, lines):
            yield _problem(name, line, f"{wanted}, as in {file.dest}: remove that line")
    for line, ours in overriding_drop_ins(lines):
        yield _problem(name, line, f"{ours.text}, as in {ours.path}: remove that line")
    for line in names_lost(lines):
        yield _problem(name, line, "files before dns: the estate's names are in /etc/hosts")


def _problem(name: str, line: Line, allowed: str) -> Problem:
    return Problem(f"host {name}", f"{line.path} line {line.number}", line.text, allowed)
