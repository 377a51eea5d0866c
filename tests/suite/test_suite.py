"""The project's own tests, as script/test has run them before it verifies the full estate (tests/e2e/estate.py)."""

import pytest

from checklist import suite


@pytest.mark.item("TST-01")
def test_the_suite_passed():
    """All of it, for exactly these files."""
    assert suite.PATH.exists(), "script/test has kept no result"
    found = suite.read()
    assert found.files == suite.files(), "script/test ran for other files than these"
    assert not found.failed, f"failed: {found.failed}"
    assert not (missing := found.missing()), f"not run: {', '.join(missing)}"
