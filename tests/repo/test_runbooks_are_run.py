"""Runbooks for common operations: every command of each is marked, and a drill carries it out."""

import re
from pathlib import Path

import pytest

from tests.drills.harness.runbooks import DIRECTORY, blocks

RUNBOOKS = sorted(DIRECTORY.glob("*.md"))
DRILLS = {path: path.read_text() for path in Path("tests/drills").glob("test_*.py")}
# What is done under pressure, or seldom enough to be forgotten.
COMMON = {"restore", "failover", "rollback"}


@pytest.mark.item("DOC-03")
@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_block_is_marked_and_run_by_a_drill(path):
    found = blocks(path)
    opened = [source for source in DRILLS.values() if f'runbook("{path.stem}")' in source]
    assert len(opened) == 1, f'{len(opened)} files in tests/drills have runbook("{path.stem}"); it must be one'
    missing = [name for name in found if not re.search(rf'\.run\(\s*"{name}"', opened[0])]
    assert not missing, f"blocks that no drill runs: {missing}"


@pytest.mark.item("DOC-03")
def test_there_is_one_for_each_common_operation():
    missing = COMMON - {path.stem for path in RUNBOOKS}
    assert not missing, f"no runbook for {', '.join(sorted(missing))}"
