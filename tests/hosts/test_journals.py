"""What the units of every host complain of: nothing that nobody has looked into."""

import datetime

import pytest

from checklist.complaints import COMMAND, MOST, complaints, grave, load, not_allowed, read
from checklist.plugin import RUN

SECONDS = 180
SHOWN = 15


@pytest.mark.item("POST-02")
def test_no_unit_complains_of_what_nobody_looked_into(host, pytestconfig):
    """Warnings, errors and worse of each unit since its start; checklist/complaints.yml says what is known and why."""
    journal = read(host.run(COMMAND, timeout=SECONDS).stdout)
    assert len(journal.entries) < MOST, f"more than {MOST} complaints since the boot"
    found = not_allowed(
        complaints(journal, pytestconfig.stash[RUN].seconds), load(), datetime.datetime.now(tz=datetime.UTC).date()
    )
    often = sorted((one for one in found.items() if grave(one[1])), key=lambda one: -len(one[1]))
    said = [f"{unit}, {len(lines)} times: {lines[-1].text[:300]}" for (unit, _), lines in often[:SHOWN]]
    more = f"; and {len(often) - SHOWN} more sorts" if len(often) > SHOWN else ""
    assert not often, "; ".join(said) + more
