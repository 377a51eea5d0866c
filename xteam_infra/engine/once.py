"""What is decided once a run, however many hosts are planned in parallel."""

from collections.abc import Callable
from typing import Generic, TypeVar

from gevent.lock import BoundedSemaphore

T = TypeVar("T")


class OncePer(Generic[T]):
    """One value for each owner, such as an estate or an inventory: that of the first host that asks."""

    def __init__(self) -> None:
        # The owner is kept too: the number of one that is gone is given to another object.
        self._found: dict[int, tuple[object, T]] = {}
        self._asking = BoundedSemaphore()

    def get(self, owner: object) -> T | None:
        """The owner's value; None while nobody has asked for it."""
        found = self._found.get(id(owner))
        return found[1] if found else None

    def ask(self, owner: object, decide: Callable[[], T]) -> T:
        """The owner's value, decided now if it is not yet. An exception of `decide` is raised, and nothing is kept."""
        with self._asking:
            if id(owner) not in self._found:
                self._found[id(owner)] = owner, decide()
            return self._found[id(owner)][1]

    def clear(self) -> None:
        """Forget all: a new run begins."""
        self._found.clear()
