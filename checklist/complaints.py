"""What a host's units have complained of in its journal and log files, and what is allowed (checklist/complaints.yml).

A complaint is a line of priority warning or worse, or a line that calls itself so: etcd, Redis, PostgreSQL and others
log through their standard output, where every line has the same priority.
"""

import datetime
import fnmatch
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

ALLOWED = Path(__file__).with_name("complaints.yml")
WARNING, ERR = 4, 3  # syslog's priorities
# A unit that complains more often than this between two looks is broken, whatever it says.
MOST = 20_000
# Words of PostgreSQL, Patroni, PgBouncer, pgBackRest, HAProxy; JSON of etcd and the application; Redis' #.
LEVELS = {"warn", "warning", "error", "critical", "fatal", "panic", "dpanic"}
CALLS_ITSELF = (
    r"\b(WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC|ALERT|EMERG)\b"
    rf'|"level": ?"({"|".join(sorted(LEVELS))})"|^\d+:[A-Z] .{{20,30}} # |^Traceback'
)
FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,_SYSTEMD_INVOCATION_ID,INVOCATION_ID,SYSLOG_IDENTIFIER,_TRANSPORT,_PID"
# What a service says a few times a day passed by itself; what is wrong is said again. Of the second once is enough.
REPEATED = 5
DAY = 86_400_000_000  # microseconds
GRAVE = r'\b(CRITICAL|PANIC|EMERG)\b|"level": ?"(critical|panic|dpanic)"'
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:[.,](\d+))?")
# Lines of the moments in which drills and mutations broke the host on purpose: see checklist/disturbance.py.
DISTURBED = "/run/xteam-disturbed"


# Where services write beside the journal: pgBackRest does, the others only when somebody tells them to.
# Of a file the last day counts; it has no start of a unit.
LOGS = "/var/log/pgbackrest /var/log/postgresql /var/log/patroni /var/log/redis /var/log/pgbouncer /var/log/haproxy.log"
FILE_HOURS = 24
_READ = f"journalctl --boot --quiet --no-pager --lines {MOST} --output json --output-fields {FIELDS} --priority"
# One round trip: moments of disturbance, the present invocation of every unit, complaints by priority and by word.
COMMAND = f"""journalctl --sync
echo now $(date +%s%6N)
sed 's/^/disturbed /' {DISTURBED} 2>/dev/null
systemctl show --all --property Id,InvocationID,InactiveExitTimestampMonotonic '*'
{_READ} 0..4
{_READ} 5..7 --grep '{CALLS_ITSELF}'
echo zone $(date +%z)
find {LOGS} -type f -mmin -{FILE_HOURS * 60} 2>/dev/null | while read -r file; do
    tail -c 4000000 "$file" | grep -P '{CALLS_ITSELF}' | tail -n {MOST} | sed "s|^|file $(stat -c %Y "$file") $file |"
done
true"""


class AllowedError(Exception):
    """The list of allowed complaints is malformed."""


class Allowed(BaseModel):
    """Complaints that are known and harmless.

    unit: whose, with * and ? as in file names. pattern: a regular expression found in the line.
    reason: why nobody needs to act. within: only so many seconds after the unit's start.
    at_most: so many of a unit in a day; more of them show more than a moment, and then all are complaints.
    until: the last day on which it is allowed: for one incident that somebody has looked into.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, str_min_length=1)

    unit: str
    pattern: str
    reason: str
    within: float | None = Field(None, gt=0)
    at_most: int | None = Field(None, gt=0)
    until: datetime.date | None = None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def covers(self, line: "Line", today: datetime.date) -> bool:
        """Whether this line is allowed."""
        early = self.within is None or (line.age is not None and -1 <= line.age <= self.within)
        valid = self.until is None or today <= self.until
        return (
            early and valid and fnmatch.fnmatchcase(line.unit, self.unit) and bool(self._expression.search(line.text))
        )


@dataclass(frozen=True)
class Line:
    """One complaint. at: microseconds since 1970. age: seconds since its unit was started; None when unknown."""

    unit: str
    text: str
    at: int
    age: float | None


@dataclass
class Journal:
    """What COMMAND printed. Moments in microseconds since 1970, by the host's clock."""

    now: int = 0
    disturbed: list[tuple[int, int]] = field(default_factory=list)
    invocations: dict[str, str] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    zone: str = "+0000"


def read(output: str) -> Journal:
    """Take the answer of COMMAND apart. Raises ValueError when it makes no sense."""
    found, unit = Journal(), ""
    for line in output.splitlines():
        if line.startswith("{"):
            found.entries.append(json.loads(line))
        elif line.startswith("now "):
            found.now = int(line.split()[1])
        elif line.startswith("disturbed "):
            begin, end = line.split()[1:3]
            found.disturbed.append((int(begin), int(end)))
        elif line.startswith("zone "):
            found.zone = line.split()[1]
        elif line.startswith("file "):
            found.entries += _of_file(line, found)
        elif line.startswith("Id="):
            unit = line.removeprefix("Id=")
        elif line.startswith("InvocationID="):
            found.invocations[unit] = line.partition("=")[2]
        elif line.startswith("InactiveExitTimestampMonotonic="):
            found.started[unit] = int(line.partition("=")[2])
    if not found.invocations or not found.now:
        raise ValueError("the host did not say which units there are")
    return found


def _of_file(line: str, journal: Journal) -> list[dict[str, Any]]:
    """A line of a log file like one of the journal, its path in place of the unit; nothing when it is old.

    Its moment stands at its beginning, in the host's time; else it is the file's last change.
    """
    _, changed, path, text = line.split(" ", 3)
    at = int(changed) * 1_000_000
    if moment := MOMENT.match(text):
        seconds, fraction = moment[1].replace("T", " "), (moment[2] or "0").ljust(6, "0")[:6]
        at = (
            int(datetime.datetime.strptime(f"{seconds} {journal.zone}", "%Y-%m-%d %H:%M:%S %z").timestamp()) * 1_000_000
        )
        at += int(fraction)
    if at < journal.now - FILE_HOURS * 3_600_000_000:
        return []
    return [{"MESSAGE": text, "_SYSTEMD_UNIT": path, "__REALTIME_TIMESTAMP": str(at), "__MONOTONIC_TIMESTAMP": "0"}]


def complaints(journal: Journal, running: float = 0) -> Iterator[Line]:
    """Complaints of each unit since its start; those of systemd about a unit, and the kernel's, since the boot.

    What was said while a verification, a drill or a mutation went on is left out.
    running: for how many seconds this verification has been going on.
    """
    disturbed = [*journal.disturbed, (journal.now - int((running + 1) * 1e6), journal.now)]
    for entry in journal.entries:
        unit = unit_of(entry)
        text, at = text_of(entry), int(entry["__REALTIME_TIMESTAMP"])
        if any(begin <= at <= end for begin, end in disturbed) or not _complains(entry, text):
            continue
        of_unit = "UNIT" not in entry and unit in journal.invocations
        if of_unit and entry.get("_SYSTEMD_INVOCATION_ID") != journal.invocations[unit]:
            continue  # of a process that has been replaced
        start = journal.started.get(unit)
        yield Line(unit, text, at, (int(entry["__MONOTONIC_TIMESTAMP"]) - start) / 1e6 if start else None)


def unit_of(entry: dict[str, Any]) -> str:
    """The unit a line is about; without one, what the sender calls itself."""
    if entry.get("_TRANSPORT") == "kernel":
        return "kernel"
    return str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or "unknown")


def text_of(entry: dict[str, Any]) -> str:
    """The journal gives what is no text as a list of bytes, and what is too long as nothing."""
    message = entry.get("MESSAGE")
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message or "")


def _complains(entry: dict[str, Any], text: str) -> bool:
    priority = int(entry.get("PRIORITY", "6"))
    if entry.get("_TRANSPORT") == "kernel":
        return priority <= ERR  # its warnings are about hardware and firmware, and nobody can act on most of them
    if text.startswith("{"):
        try:
            # What a user has sent may stand in the line: only its own level counts.
            return priority <= WARNING or str(json.loads(text).get("level", "")).lower() in LEVELS
        except ValueError:
            pass
    return priority <= WARNING or bool(re.search(CALLS_ITSELF, text))


def load(path: Path = ALLOWED) -> list[Allowed]:
    """The allowed complaints. Raises AllowedError."""
    try:
        return TypeAdapter(list[Allowed]).validate_python(yaml.safe_load(path.read_text()) or [])
    except (ValidationError, yaml.YAMLError) as error:
        raise AllowedError(f"{path}: {error}") from error


def not_allowed(
    lines: Iterable[Line], allowed: list[Allowed], today: datetime.date
) -> dict[tuple[str, str], list[Line]]:
    """Complaints that no entry covers, by unit and by what they have in common (digits left out)."""
    found: dict[tuple[str, str], list[Line]] = {}
    counted: dict[tuple[int, str], list[Line]] = {}
    for line in lines:
        covered = [number for number, one in enumerate(allowed) if one.covers(line, today)]
        if not covered:
            _sort(line, found)
        elif not any(allowed[number].at_most is None for number in covered):
            counted.setdefault((covered[0], line.unit), []).append(line)
    for (number, _), those in counted.items():
        if in_a_day(those) > (allowed[number].at_most or 0):
            for line in those:
                _sort(line, found)
    return found


def _sort(line: Line, found: dict[tuple[str, str], list[Line]]) -> None:
    found.setdefault((line.unit, re.sub(r"[0-9a-f]*\d[0-9a-f]*", "N", line.text)[:160]), []).append(line)


def grave(lines: list[Line]) -> bool:
    """Whether complaints of one sort show more than a passing moment: they came again and again, or one is grave."""
    return in_a_day(lines) >= REPEATED or any(re.search(GRAVE, line.text) for line in lines)


def in_a_day(lines: list[Line]) -> int:
    """The most of these that came within a day: a unit may have been running for months."""
    moments, first, most = sorted(line.at for line in lines), 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > DAY:
            first += 1
        most = max(most, last - first + 1)
    return most


def unused(lines: Iterable[Line], allowed: list[Allowed], today: datetime.date) -> list[Allowed]:
    """Entries that cover none of these lines."""
    seen = list(lines)
    return [one for one in allowed if not any(one.covers(line, today) for line in seen)]
