"""What an operation of this run is going to change, known while the plan is made."""

from collections import defaultdict

from pyinfra import host

_paths: dict[str, set[str]] = defaultdict(set)


def will_change(path: str) -> None:
    """Say that an operation of this run is going to replace `path` on this host."""
    _paths[host.name].add(path)


def is_pending(path: str) -> bool:
    """Whether an operation of this run has said so of `path` on this host."""
    return path in _paths[host.name]
