"""What the project's own tests came to, for exactly these files: written within script/test, read by a check."""

import hashlib
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from pydantic import BaseModel

PATH = Path("build/report/suite.json")
# What must have passed before the full estate is verified, which says of the suite what came out.
DIRECTORIES = ("tests/unit", "tests/repo")
ESTATES = {"tests/e2e/test_lab.py", "tests/e2e/test_solo.py"}


class Suite(BaseModel):
    """files: digest of all files under version control. passed, failed: number of tests so far, by file."""

    files: str
    passed: dict[str, int]
    failed: dict[str, int]

    def missing(self) -> list[str]:
        """The files of which no test has passed."""
        wanted = {str(path) for directory in DIRECTORIES for path in Path(directory).glob("test_*.py")} | ESTATES
        return sorted(wanted - set(self.passed))


def read() -> Suite:
    """What was kept last. Raises FileNotFoundError when nothing was, ValueError when it can't be read."""
    return Suite.model_validate_json(PATH.read_text())


def write(config: pytest.Config) -> Suite:
    """Keep what the running pytest has seen so far."""
    stats = config.pluginmanager.getplugin("terminalreporter").stats
    passed, bad = stats.get("passed", []), [*stats.get("failed", []), *stats.get("error", [])]
    suite = Suite(files=files(), passed=_by_file(passed), failed=_by_file(bad))
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(suite.model_dump_json(indent=1) + "\n")
    return suite


def _by_file(reports: list[pytest.TestReport]) -> dict[str, int]:
    return dict(Counter(report.nodeid.partition("::")[0] for report in reports))


def files() -> str:
    """Digest of the names and contents of all files under version control, as they lie here."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.split(b"\0"))):
        path = Path(name.decode())
        digest.update(name + b"\0" + (hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b""))
    return digest.hexdigest()
