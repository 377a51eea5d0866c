"""The project's own tests, as script/test has run them before it verified the full estate."""

from pathlib import Path

import pytest

from checklist import suite

DIRECTORIES = ("tests/unit", "tests/repo")
ESTATES = {"tests/e2e/test_lab.py", "tests/e2e/test_solo.py"}


@pytest.mark.item("TST-01")
def test_the_suite_passed():
    """For exactly these files. Whoever verifies without script/test learns that nothing is known."""
    if not suite.PATH.exists():
        pytest.skip("script/test has not come this far")
    found = suite.Suite.model_validate_json(suite.PATH.read_text())
    if found.files != suite.files():
        pytest.skip("script/test ran for other files than these")
    assert not found.failed, f"failed: {found.failed}"
    wanted = {str(path) for directory in DIRECTORIES for path in Path(directory).glob("test_*.py")} - {
        "tests/repo/test_suite.py"
    }
    if missing := (wanted | ESTATES) - set(found.passed):
        pytest.skip(f"not run: {', '.join(sorted(missing))}")
