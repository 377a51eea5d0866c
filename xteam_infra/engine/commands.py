"""What operations are made of, and loops around them, with types."""

from collections.abc import Generator, Iterable, Iterator
from typing import TypeAlias, TypeVar

from pyinfra import host
from pyinfra.api.command import PyinfraCommand

Commands: TypeAlias = Generator[PyinfraCommand | str, None, None]
"""What a function under @operation() gives: its commands, one by one. None of them: nothing changes."""

Item = TypeVar("Item")


def loop(items: Iterable[Item]) -> Iterator[Item]:
    """The items of a loop around operations, which pyinfra has to know to keep them in order."""
    yield from host.loop(items)
