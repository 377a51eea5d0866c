"""What a restore aims at: a time, a restore point by name, a place in the WAL, or all there is."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

FORMS = (
    '"latest", a time with its zone such as "2026-11-23 07:40:00+00", "name:RESTORE-POINT", '
    'or an LSN such as "0/5000028"'
)
LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
NAME = re.compile(r"name:[A-Za-z0-9_.-]{1,63}")


@dataclass(frozen=True)
class Target:
    """kind: pgBackRest's word (default, time, name, lsn). moment: of a time."""

    kind: str
    value: str = ""
    moment: datetime | None = None

    @property
    def words(self) -> list[str]:
        """pgBackRest's options."""
        if self.kind == "default":
            return ["--type=default"]
        return [f"--type={self.kind}", f"--target={self.value}", "--target-action=promote"]

    @property
    def slug(self) -> str:
        """A name for a directory."""
        if self.moment:
            return self.moment.strftime("%Y%m%dT%H%M%S%fZ").replace("000000Z", "Z")
        return re.sub(r"[^A-Za-z0-9.-]", "-", self.value) or "latest"


def parse(text: str) -> Target:
    """Raises ValueError with what is wrong, in words that begin with what is allowed."""
    text = text.strip()
    if text == "latest":
        return Target("default")
    if NAME.fullmatch(text):
        return Target("name", text.removeprefix("name:"))
    if LSN.fullmatch(text):
        return Target("lsn", text.upper())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(FORMS) from None
    if moment.tzinfo is None:
        raise ValueError(f"{FORMS}: the zone is missing")
    moment = moment.astimezone(UTC)
    form = "%Y-%m-%d %H:%M:%S.%f" if moment.microsecond else "%Y-%m-%d %H:%M:%S"
    return Target("time", f"{moment.strftime(form)}+00", moment)
