"""Waiting for a state that takes its time, without busy waiting and without waiting for ever."""

import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], seconds: float = 10, interval: float = 0.2) -> object:
    """Ask until the answer is true, and return it. An AssertionError within counts as not yet.

    Raises AssertionError after `seconds`, with what the last try said.
    """
    deadline = time.monotonic() + seconds
    while True:
        said = "it did not hold"
        try:
            if answer := holds():
                return answer
        except AssertionError as error:
            said = str(error)
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {said}")
        time.sleep(interval)
