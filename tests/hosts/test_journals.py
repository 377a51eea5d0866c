"""What the units of every host complain of: nothing that nobody has looked into."""

import datetime
import fnmatch

import pytest

from checklist.complaints import COMMAND, MOST, complaints, grave, load, not_allowed, read, unused
from checklist.evidence import Evidence
from checklist.plugin import RUN

SECONDS = 180
SHOWN = 15


@pytest.mark.item("POST-02")
def test_journal_has_no_unexplained_errors(host, pytestconfig):
    """Warnings, errors and worse of each unit since its start; checklist/complaints.yml says what is known and why."""
    journal = read(host.run(COMMAND, timeout=SECONDS).stdout)
    assert len(journal.entries) < MOST, f"more than {MOST} complaints since the boot"
    run, today = pytestconfig.stash[RUN], datetime.datetime.now(tz=datetime.UTC).date()
    lines, allowed = list(complaints(journal, run.seconds)), load()
    found = not_allowed(lines, allowed, today)
    here = [one for one in allowed if any(fnmatch.fnmatchcase(unit, one.unit) for unit in journal.invocations)]
    _noted(run, host, lines, unused(lines, here, today), found)
    often = sorted((one for one in found.items() if grave(one[1])), key=lambda one: -len(one[1]))
    said = [f"{unit}, {len(lines)} times: {lines[-1].text[:300]}" for (unit, _), lines in often[:SHOWN]]
    more = f"; and {len(often) - SHOWN} more sorts" if len(often) > SHOWN else ""
    assert not often, "; ".join(said) + more


def _noted(run, host, lines, idle, found):
    """Keep what was said but not often, and which allowed complaints nobody made: what is never used can go."""
    seldom = [f"{unit}, {len(those)} times: {those[-1].text[:300]}" for (unit, _), those in found.items()]
    for what, said in (
        (f"complaints that are not allowed, of {len(lines)}", seldom),
        ("allowed complaints that nobody made here", [f"{one.unit}: {one.pattern[:80]}" for one in idle]),
    ):
        run.recorder.record(Evidence(host.name, f"checklist/complaints.yml: {what}", 0, "\n".join(said), "", 0.0))
