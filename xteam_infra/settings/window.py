"""Maintenance windows: "Tue-Thu 09:00-16:00", in UTC."""

import re
from datetime import UTC, datetime, time, timedelta

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FORM = 'days and hours in UTC such as "Tue-Thu 09:00-16:00" or "Sat 02:00-05:00", the end after the beginning'
_WINDOW = re.compile(r"^(\w{3})(?:-(\w{3}))? (\d\d:\d\d)-(\d\d:\d\d)$")


def parse(text: str) -> tuple[set[int], time, time]:
    """Days of the week (Monday is 0), beginning and end. Raises ValueError saying what is allowed."""
    match = _WINDOW.match(text)
    if match is None or not {match[1], match[2] or match[1]} <= set(DAYS):
        raise ValueError(f"{text!r} is not {FORM}")
    first, last = DAYS.index(match[1]), DAYS.index(match[2] or match[1])
    days = {day % 7 for day in range(first, last + 1 if last >= first else last + 8)}
    try:
        begin, end = time.fromisoformat(match[3]), time.fromisoformat(match[4])
    except ValueError:
        raise ValueError(f"{text!r} is not {FORM}") from None
    if end <= begin:
        raise ValueError(f"{text!r} is not {FORM}")
    return days, begin, end


def inside(windows: tuple[str, ...], now: datetime | None = None) -> bool:
    """Whether it is a time of one of the windows."""
    moment = now or datetime.now(UTC)
    return any(moment.weekday() in days and begin <= moment.time() < end for days, begin, end in map(parse, windows))


def following(windows: tuple[str, ...], now: datetime | None = None) -> datetime:
    """When the next window begins, after the one that may be open."""
    moment = now or datetime.now(UTC)
    days = [moment.date() + timedelta(days=count) for count in range(8)]
    begins = [
        datetime.combine(day, begin, UTC) for weekdays, begin, _ in map(parse, windows) for day in days
        if day.weekday() in weekdays
    ]  # fmt: skip
    return min(one for one in begins if one > moment)
