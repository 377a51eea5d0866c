"""Hosts that take no part in a run because --exclude says that they are down.

What a run does once, it does on the first host that takes part; what it waits for, it does not wait for on a host that
is down. When it ends it says which hosts were left out, and what to run when they are back: everything once more, which
changes what was left undone and nothing else.
"""

import atexit
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from pyinfra import state

from xteam_infra.engine.pyinfra_internals import has_planned, unreachable_hosts
from xteam_infra.errors import Problem

# Groups whose members decide by majority, and what they could do no more without one.
MAJORITIES = {"etcd": "Patroni could change nothing, and nobody could lead", "redis": "Sentinel could fail over nobody"}


class Named(Protocol):
    """A host of the inventory."""

    @property
    def name(self) -> str: ...


class Estate(Protocol):
    """All hosts of the inventory."""

    @property
    def machines(self) -> tuple[Named, ...]: ...


Host = TypeVar("Host", bound=Named)
_down: set[str] = set()
_more: list[str] = []


def declare_down(names: Iterable[str]) -> None:
    """Said once a run, by the inventory, before any host is connected to."""
    _down.clear()
    _down.update(names)


def up(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """Those of `hosts` that are not said to be down. With --limit also hosts that take no part in the run."""
    return tuple(one for one in hosts if one.name not in _down)


def down(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """Those of `hosts` that are said to be down."""
    return tuple(one for one in hosts if one.name in _down)


def first_here(hosts: Iterable[Host]) -> Host | None:
    """The first of `hosts` that takes part in this run: the one that does what is done once. None: nobody does."""
    taking_part = {one.name for one in state.inventory.get_active_hosts()}
    return next((one for one in hosts if one.name in taking_part), None)


def takes_part_whole(estate: Estate) -> bool:
    """Whether every host takes part that is not said to be down: --limit leaves none out."""
    return len(up(estate.machines)) == len(state.inventory.get_active_hosts())


def say_at_end(text: str) -> None:
    """What is to be done besides on a host that is down. May be said by every host: it is told once."""
    if text not in _more:
        _more.append(text)


def majority_problems(file: str, groups: Mapping[str, Iterable[str]]) -> Iterator[Problem]:
    """Groups of which --exclude leaves a minority. A group that is left out whole is not worked on at all."""
    for group, consequence in MAJORITIES.items():
        members = list(groups.get(group, ()))
        out = [name for name in members if name in _down]
        if out and len(out) < len(members) and len(out) > (len(members) - 1) // 2:
            found = f"{', '.join(out)}: {len(out)} of the {len(members)} hosts of group {group}; {consequence}"
            allowed = f"at most {(len(members) - 1) // 2} of them. Bring one back first (docs/runbooks/lost-quorum.md)"
            yield Problem(file, "--exclude", found, allowed)


def report_at_end(command: str, whole: str) -> None:
    """When the run ends, say in one line which hosts were left out or can't be reached, and what to run then.

    command: as it was typed, without options. whole: the deploy of everything.
    """
    atexit.register(_report, command, whole)


def _report(command: str, whole: str) -> None:
    for line in lines(command, whole):
        print(f"--> {line}", file=sys.stderr, flush=True)


def lines(command: str, whole: str) -> Iterator[str]:
    """What is to be said of this run at its end."""
    if unreachable := unreachable_hosts():
        names, words = ", ".join(unreachable), " ".join(f"--exclude {name}" for name in (*sorted(_down), *unreachable))
        yield f"{names} can't be reached; nothing was changed. To go on without: {command} {words}"
    elif _down and has_planned():
        names = ", ".join(sorted(_down))
        yield f"{names} took no part: nothing was done there. When it is back: {whole}"
        yield from _more
