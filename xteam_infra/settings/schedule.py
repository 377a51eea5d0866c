"""When a timer runs: what every layer's schedules may say."""

import re
from typing import Annotated

from pydantic import AfterValidator

# The short forms that people write in group data: days, date and time of day, with *, lists, ranges and steps.
DAYS, DATE, TIME = r"([A-Za-z]{3}[A-Za-z.,]*\s+)?", r"([-*\d/.,]+\s+)?", r"(\d{1,2}|\*)(:\d{2}){1,2}"
EXPRESSION = re.compile(rf"^{DAYS}{DATE}{TIME}$|^(hour|dai|week|month)ly$")


def _calendar(value: str) -> str:
    if not EXPRESSION.match(value):
        raise ValueError('a systemd calendar expression such as "hourly", "Mon..Sat 01:30" or "*-*-01 05:20"')
    return value


Calendar = Annotated[str, AfterValidator(_calendar)]
"""A systemd calendar expression, in the time zone of the hosts (`timezone`)."""
