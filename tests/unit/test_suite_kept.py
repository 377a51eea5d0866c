"""checklist/suite.py: what the project's own tests came to."""

from pathlib import Path

import pytest

from checklist.suite import ESTATES, PATH, Suite, read


def suite_of(**passed: int) -> Suite:
    return Suite(files="digest", passed=passed, failed={})


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one file of unit tests."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "tests/unit/test_one.py").touch()
    return tmp_path


def test_names_what_has_not_run(tree: Path) -> None:
    assert suite_of().missing() == sorted({"tests/unit/test_one.py", *ESTATES})


def test_a_whole_suite_lacks_nothing(tree: Path) -> None:
    assert suite_of(**dict.fromkeys({"tests/unit/test_one.py", *ESTATES}, 1)).missing() == []


def test_says_that_nothing_was_kept(tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"suite\.json"):
        read()


def test_reads_what_was_kept(tree: Path) -> None:
    (tree / PATH).parent.mkdir(parents=True)
    (tree / PATH).write_text(suite_of(a=1).model_dump_json())
    assert read() == suite_of(a=1)
