"""What counts as a backup, what has expired, and whether a host's files have shrunk: by time of arrival alone.

Nothing here looks at a clock or a disk. What a sender wrote down (its time, its names) is compared, never believed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# A sender's clock may be this far before the keeper's.
AHEAD_SECONDS = 300
# Files shrink when compared with the largest of so long before.
SHRINK_DAYS = 7
# Below these, halves come and go with single users.
SHRINK_LEAST_FILES = 100
SHRINK_LEAST_BYTES = 64 * 2**20
DAYS = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 31.0}


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A snapshot as this host knows it.

    arrived: when it was first seen here, seconds since the epoch. taken, host, paths: what the sender wrote.
    tree: the digest of all that is in it. files, size (bytes): counted by this host.
    """

    id: str
    arrived: float
    taken: float
    host: str
    paths: tuple[str, ...]
    tree: str
    files: int
    size: int


def refused(one: Arrival, host: str, directories: Iterable[str]) -> str:
    """Why a snapshot does not count as a backup of a host; empty when it does."""
    if one.taken > one.arrived + AHEAD_SECONDS:
        return "dated ahead"
    if one.host != host:
        return f"of host {one.host}"
    if missing := set(directories) - set(one.paths):
        return f"without {', '.join(sorted(missing))}"
    return ""


def counted(arrivals: Iterable[Arrival], host: str, directories: Iterable[str]) -> list[Arrival]:
    """Those that count, in order of arrival."""
    wanted = tuple(directories)
    return sorted((one for one in arrivals if not refused(one, host, wanted)), key=lambda one: one.arrived)


def expired(arrivals: Iterable[Arrival], keep: Mapping[str, int], distinct: int) -> list[Arrival]:
    """What is kept no longer: neither the last of one of the latest periods, nor among those that differ.

    keep: how many of each period ("hourly", ...), in which something arrived. distinct: so many that differ in
    content stay too, the newest of each, of different days, but none for longer than the longest period: what a user
    had erased must be gone then.
    """
    newest_first = sorted(arrivals, key=lambda one: one.arrived, reverse=True)
    kept = {one.id for period, count in keep.items() for one in _last_of_each(newest_first, period, count)}
    longest = max(DAYS[period] * count for period, count in keep.items()) * 86_400
    trees: set[str] = set()
    days: set[str] = set()
    for one in newest_first:
        if newest_first[0].arrived - one.arrived > longest:
            break
        day = _slot(one.arrived, "daily")
        if len(trees) < distinct and one.tree not in trees and day not in days:
            trees.add(one.tree)
            days.add(day)
            kept.add(one.id)
    return [one for one in reversed(newest_first) if one.id not in kept]


def shrunk(arrivals: Iterable[Arrival], since: float, percent: int) -> str:
    """In words, how much less the newest backup holds than the largest of the days before; empty when it does not.

    since: older ones are not compared with: a person has accepted what became of them. percent: how much less.
    """
    ordered = sorted((one for one in arrivals if one.arrived >= since), key=lambda one: one.arrived)
    if not ordered:
        return ""
    newest = ordered[-1]
    before = [one for one in ordered if newest.arrived - one.arrived <= SHRINK_DAYS * 86_400]
    for what, least, values in (
        ("files", SHRINK_LEAST_FILES, {one.id: one.files for one in before}),
        ("bytes", SHRINK_LEAST_BYTES, {one.id: one.size for one in before}),
    ):
        largest = max(values.values())
        if largest >= least and values[newest.id] * 100 < largest * (100 - percent):
            return f"{values[newest.id]} {what} in {newest.id[:8]}, {largest} before"
    return ""


def _last_of_each(newest_first: list[Arrival], period: str, count: int) -> Iterable[Arrival]:
    found: dict[str, Arrival] = {}
    for one in newest_first:
        slot = _slot(one.arrived, period)
        if slot not in found and len(found) < count:
            found[slot] = one
    return found.values()


def _slot(moment: float, period: str) -> str:
    """The hour, day, week or month of a moment (UTC)."""
    form = {"hourly": "%Y-%m-%d %H", "daily": "%Y-%m-%d", "weekly": "%G week %V", "monthly": "%Y-%m"}[period]
    return datetime.fromtimestamp(moment, UTC).strftime(form)
