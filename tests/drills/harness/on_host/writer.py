"""What is common to all kinds of services that are written to."""

import os
from abc import ABC, abstractmethod

LARGE, LARGE_EACH = 1_000_000, 500  # characters; one number in so many has a value of that size


def large() -> str:
    """A value that can't be compressed away."""
    return os.urandom(LARGE // 2).hex()


class Refused(Exception):
    """The server answered with an error."""


class Writer(ABC):
    """One kind of service. Any exception of `connect` and `write` means: not acknowledged, connect again."""

    failures: tuple[type[Exception], ...] = (OSError, Refused)

    def __init__(self, orders: dict):
        self.orders = orders

    @abstractmethod
    def connect(self) -> None:
        """Connect to whoever takes writes now."""

    @abstractmethod
    def write(self, number: int) -> None:
        """Return once the number is acknowledged."""

    def way(self, number: int) -> str:
        """In which way the number is written: large values apart, by name."""
        return "large" if number % LARGE_EACH == 0 else "transaction"

    @abstractmethod
    def close(self) -> None:
        """Drop the connection, whatever its state."""

    @abstractmethod
    def kept(self) -> set[int]:
        """All numbers that are there."""

    def clear(self) -> None:  # noqa: B027 - most have nothing to remove
        """Remove what was written."""
