"""Dated results of drills. A drill interrupts service, so it is carried out now and then; reports read its last result.

One JSON file for each inventory, such as build/drills/prod.json. docs/operations/verification.md, "Drills".
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from checklist.report import Check, Status

SCHEMA = 1
# Controllers' clocks may differ so much.
AHEAD = timedelta(minutes=5)
DAYS = 30
# Results kept of each drill: enough to see a trend, few enough that the file stays small.
KEPT = 50


class DrillError(Exception):
    """The file of results can't be used."""


class DrillRecord(BaseModel):
    """What came of one drill.

    name: the test that carried it out, without its machine. items: what it proves. at: when it ended.
    figures: what was measured, such as outage_seconds, acknowledged, lost. message: why it did not pass.
    estate: which one, by the digest of its internal CA, for another may have the same inventory's name. Empty: unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    items: tuple[str, ...]
    host: str
    at: AwareDatetime
    status: Literal["passed", "failed", "error"]
    message: str = ""
    seconds: float = 0.0
    figures: dict[str, int | float | str] = {}
    estate: str = ""


class DrillStore:
    """The results of one inventory, in the order in which they came."""

    def __init__(self, path: Path):
        self.path = path

    def read(self) -> list[DrillRecord]:
        """All results; none when no drill was ever carried out. Raises DrillError when the file is malformed."""
        try:
            content = json.loads(self.path.read_text())
            if not isinstance(content, dict) or content.get("schema") != SCHEMA:
                raise DrillError(f"{self.path}: not a file of drill results of schema {SCHEMA}")
            return TypeAdapter(list[DrillRecord]).validate_python(content["records"])
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, OSError) as error:
            raise DrillError(f"{self.path}: {_in_short(error)}; repair it or remove it") from error

    def add(self, record: DrillRecord) -> None:
        """Keep a result. The file is whole at every moment, whoever else writes to it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path):
            records = [*self.read(), record]
            same = [one for one in records if one.name == record.name]
            old = {id(one) for one in same[:-KEPT]}
            kept = [one.model_dump(mode="json") for one in records if id(one) not in old]
            new = self.path.with_name(f".{self.path.name}.new")
            new.write_text(json.dumps({"schema": SCHEMA, "records": kept}, indent=1) + "\n")
            new.replace(self.path)

    def last(self, root: Path) -> list[DrillRecord]:
        """The last result of each drill that still exists below `root`: one that was renamed proves nothing."""
        latest = {record.name: record for record in sorted(self.read(), key=lambda record: record.at)}
        return [record for record in latest.values() if _exists(record.name, root)]


def standing(record: DrillRecord, days: float, now: datetime | None = None, estate: str = "") -> Check:
    """What a drill's last result is worth today. days: how long a good one holds. estate: the one that is looked at."""
    age = (now or datetime.now(UTC)) - record.at
    status: Status = record.status
    message = record.message
    if estate and record.estate and record.estate != estate:
        status = "expired"
        message = f"the last drill, on {record.at:%Y-%m-%d}, was of another estate of this inventory's name"
    elif age < -AHEAD:
        status = "error"
        message = f"the last drill is dated {record.at:%Y-%m-%d %H:%M}, which lies ahead"
    elif status == "passed" and age > timedelta(days=days):
        status = "expired"
        message = f"the last drill was on {record.at:%Y-%m-%d}, {age.days} days ago; it holds for {days:g}"
    return Check(
        name=record.name,
        host=record.host,
        kind="drill",
        status=status,
        message=message,
        seconds=record.seconds,
        drilled=record.at.isoformat(timespec="seconds"),
        figures=record.figures,
    )


def default_path(inventory: str) -> Path:
    """Where an inventory's results stand. Labs share one inventory file, and are told apart by their name."""
    stem = Path(inventory).stem
    lab = os.environ.get("XTEAM_LAB", "") if stem == "lab" else ""
    return Path("build/drills") / f"{'-'.join(filter(None, (stem, lab)))}.json"


def _exists(name: str, root: Path) -> bool:
    file, _, test = name.partition("::")
    path = root / file
    return path.is_file() and (not test or f"def {test.rpartition('::')[2].partition('[')[0]}(" in path.read_text())


def _in_short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"record {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
