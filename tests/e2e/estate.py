"""What must hold of any estate, in this order; test_solo.py and test_ha.py say of which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checklist import suite
from tests.e2e import leak
from tests.e2e.lab_session import INVENTORY, LabSession, changes

# Files that a host which only runs writes by itself, and the traces of our own logins.
_WRITES_ITSELF = (
    "/var/log /var/lib/systemd /var/lib/chrony /var/lib/apt /var/tmp /var/backups /var/cache/apt /var/cache/ldconfig"
    " /run /tmp /proc /sys /dev"
)


class EstateTests:
    """Base of the two estates' tests. Later steps make no sense after a failed one: they fail at once."""

    least_passed: int
    """How many items of the checklist must have passed."""

    failed: str | None = None

    @pytest.fixture(autouse=True)
    def _in_order(self, request: pytest.FixtureRequest):
        if type(self).failed:
            pytest.fail(f"not carried out, for {type(self).failed} failed")
        before = request.session.testsfailed
        type(self).failed = request.node.name
        yield
        if request.session.testsfailed == before:
            type(self).failed = None

    def test_dry_run_changes_nothing_and_names_what_comes(self, session: LabSession) -> None:
        for host in session.hosts:
            session.on(host, "touch /run/before; sleep 0.01")
        result = session.deploy_json("dry-run", "--dry")
        assert result["plan"], "the dry run of a bare estate announces nothing"
        prune = " -o ".join(f"-path {path}" for path in _WRITES_ITSELF.split())
        for host in session.hosts:
            written = session.on(host, f"find / -xdev \\( {prune} \\) -prune -o -newer /run/before -type f -print")
            assert not written.split(), f"the dry run wrote on {host}"

    def test_deploy_makes_the_estate(self, session: LabSession) -> None:
        result = session.deploy_json("deploy", "-y")
        assert changes(result)

    def test_second_run_changes_and_restarts_nothing(self, session: LabSession) -> None:
        """And nothing of the login's own directory is run, which is not root's."""
        before = session.main_processes()
        for host in session.hosts:
            session.on(host, leak.BAIT)
        result = session.deploy_json("second-run", "-y")
        assert [host for host in session.hosts if "taken" in session.on(host, leak.TAKEN)] == []
        assert changes(result) == []
        after = session.main_processes()
        gone = {f"{unit} on {host}" for (host, unit), pid in before.items() if after.get((host, unit)) != pid}
        assert not gone, "restarted or stopped by a run that had nothing to change"

    def test_no_output_shows_a_secret(self, session: LabSession) -> None:
        """Of none of the runs so far, nor of a diff at the highest verbosity, nor what a person wrote on a host."""
        for host in session.hosts:
            session.on(host, leak.WRITE_BY_HAND)
        try:
            options = ["--dry", "--diff", "-vvv", "--debug", "--debug-facts", "--debug-operations"]
            done = session.pyinfra("loud", *options, INVENTORY, "deploys/all.py")
        finally:
            for host in session.hosts:
                session.on(host, leak.TAKE_AWAY)
        assert done.returncode == 0, done.stderr
        assert leak.found_in(session.logs(), session.secrets()) == []

    def test_every_check_is_green(self, session: LabSession, pytestconfig: pytest.Config) -> None:
        # The suite can only be judged by the last estate of a whole run; a run of one estate says nothing of TST-01.
        whole = not suite.write(pytestconfig).missing()
        done = session.pytest("verify", "tests/hosts", "tests/repo", *(["tests/suite"] if whole else []))
        assert done.returncode == 0, done.stderr
        report = json.loads(Path(f"build/report/{session.topology}/checklist.json").read_text())
        passed = [item["id"] for item in report["items"] if item["status"] == "passed"]
        session.say(f"{session.topology}: {len(passed)} of {len(report['items'])} items passed")
        assert len(passed) >= self.least_passed
        reports = [path for path in Path(f"build/report/{session.topology}").rglob("*") if path.is_file()]
        assert leak.found_in([*session.logs(), *reports], session.secrets()) == []
