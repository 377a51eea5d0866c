"""One verification run: who is looked at, what each check came to, and the reports at its end."""

import hashlib
import json
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from checklist import catalogue
from checklist.catalogue import Kind
from checklist.decisions import Decision
from checklist.disturbance import note
from checklist.drills import DrillRecord, DrillStore, standing
from checklist.estate import EstateError, EstateReader
from checklist.evidence import Recorder, Redactor
from checklist.hosts import Hosts
from checklist.inventory import Machine
from checklist.report import Check, Report, Status, judge
from checklist.shell import CheckError
from checklist.table import write_summary
from checklist.vault import SecretMissing, SecretReader
from checklist.web import write_html
from xteam_infra.errors import SecretsError

NOT_APPLICABLE = "not applicable: "
KIND_OF_DIRECTORY: dict[str, Kind] = {
    "drills": "drill",
    "cloud": "cloud",
    "repo": "repo",
    "suite": "repo",
    "unit": "repo",
}
# An exit status of pytest: tests ran and some failed.
FAILED = pytest.ExitCode.TESTS_FAILED
FIGURES: pytest.StashKey[dict[str, int | float | str]] = pytest.StashKey()


def not_applicable(reason: str) -> None:
    """End the running check: what it asks can't be asked of this machine (one Redis host has nobody to fail over to).

    The only skip there is. It proves nothing: an item with no other proof is "not applicable" in the report, with this
    reason, and never passed.
    """
    pytest.skip(NOT_APPLICABLE + reason)


@dataclass(frozen=True)
class Nobody:
    """Stands in for the machine of a check whose groups have no host: nobody can look."""

    groups: str
    name: str = "no-host"


@dataclass
class Collected:
    """A test of this run. items: of the checklist. checks: what it came to, a second time when its end failed.

    asks_hosts: whether it looks at the estate, as a check does; other tests may only need the inventory.
    """

    items: list[str]
    asks_hosts: bool
    checks: list[Check] = field(default_factory=list)


class ChecklistRun:
    """Registered as a plugin when --inventory is given."""

    def __init__(
        self,
        config: pytest.Config,
        machines: tuple[Machine, ...],
        selected: tuple[Machine, ...],
        estate: EstateReader,
        decisions: dict[str, Decision],
        drills: DrillStore,
    ):
        self.config, self.machines, self.selected = config, machines, selected
        self.estate, self.decisions, self.drills = estate, decisions, drills
        self.redact = Redactor()
        self.recorder = Recorder(self.redact)
        self.secrets: SecretReader | None = None
        self.hosts = Hosts(machines, self.recorder)
        self.partial: list[str] = []
        self._collected: dict[str, Collected] = {}
        self.started = datetime.now(UTC)
        self.report: Report | None = None

    # --- what each check came to

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        if items:
            self.partial.append(f"{len(items)} checks deselected")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """A report of some layers only must not look like one of the whole estate."""
        for item in session.items:
            asks = {"machine", "hosts"} & set(getattr(item, "fixturenames", ()))
            self._collected[item.nodeid] = Collected(items_of(item), bool(asks))
        collected = {item.path for item in session.items}
        directories = {path.parent for path in collected if path.parent.name == "hosts"}
        left_out = {path for directory in directories for path in directory.glob("test_*.py")} - collected
        if left_out and not self._option("limit"):
            self.partial.append(f"without {', '.join(sorted(path.name for path in left_out))}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.recorder.begin(item.nodeid)
        machine = item.callspec.params.get("machine") if hasattr(item, "callspec") else None
        if isinstance(machine, Nobody):
            raise CheckError(f"the inventory has no host in group {machine.groups}")
        self.learn_secrets()

    def learn_secrets(self) -> None:
        """Every secret must be known before the first answer is shown. Unknown ones can't be taken out of it."""
        if self.secrets or self.recorder.muted:
            return
        try:
            self.secrets = SecretReader(self.estate.get(), self.redact)
        except (EstateError, PyinfraError, ValueError) as error:
            self.recorder.muted = f"[hidden, for the secrets are not known: {_first_line(str(error))}]"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        check = None
        if call.when == "call" or call.excinfo is not None:
            # Before the report is made, for the report copies the properties: that brings them into JUnit's file.
            check = self._note(item, call)
            item.user_properties.append(("checklist", json.dumps(check.model_dump())))
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, CheckError):
            report.longrepr = f"check error: {call.excinfo.value}"  # our own stack explains nothing
        if report.longrepr is not None and self.redact(shown := str(report.longrepr)) != shown:
            report.longrepr = self.redact(shown)
        report.sections = [(name, self.redact(text)) for name, text in report.sections]
        # Accepted by a person, in a file with an owner and an end (docs/operations/verification.md). The report says
        # waived, not passed; only pytest's exit status follows.
        if check and check.status == "failed" and (reason := self._waived(item)):
            report.outcome, report.wasxfail = "skipped", reason  # pytest counts it as an expected failure
        return report

    def _waived(self, item: pytest.Item) -> str:
        """Why a failure of this check is accepted: all its items are waived. Empty when it is not."""
        rulings = [self.decisions.get(identifier) for identifier in items_of(item)]
        if not rulings or any(one is None or one.kind != "waived" or one.expired() for one in rulings):
            return ""
        return "waived: " + "; ".join(one.reason for one in rulings if one)

    def _note(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Check:
        status, message = outcome(call)
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        machine = parameters.get("machine")
        check = Check(
            name=_without_machine(item.nodeid, machine.name) if machine else item.nodeid,
            host=machine.name if machine else "controller",
            kind=kind_of(item),
            status=status,
            message=self.redact(message),
            seconds=round(call.duration, 3),
            evidence=self.recorder.taken(),
            figures=item.stash.get(FIGURES, {}),
        )
        return check

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a check came to, here or in a child of this process."""
        notes = [value for name, value in report.user_properties if name == "checklist"]
        kept = self._collected[report.nodeid].checks
        kept += [Check.model_validate_json(str(note)) for note in notes[len(kept) :]]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A drill's result is kept at its end: setting up, carrying out and putting back must all have gone well."""
        one = self._collected[nodeid]
        checks = [check for check in one.checks if check.status in ("failed", "error")] or one.checks
        if not one.items or not checks or checks[0].kind != "drill":
            return
        check = checks[0]
        if check.status in ("passed", "failed", "error"):
            self.drills.add(
                DrillRecord(
                    name=check.name,
                    items=tuple(one.items),
                    host=check.host,
                    at=datetime.now(UTC),
                    status=check.status,
                    message=_first_line(check.message),
                    seconds=check.seconds,
                    figures=check.figures,
                    estate=self._estate_digest(),
                )
            )

    # --- the end of the run

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.estate.stop()
        if any(one.asks_hosts and one.checks for one in self._collected.values()):
            # Checks ask as strangers do, end processes, and send what must be refused.
            note(self.hosts, "verification", self.seconds)
        self.hosts.close()
        if exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR) or self._option("collectonly"):
            return
        if not any(self._of_item(item) for item in catalogue.load()) and not self._others():
            return  # tests of something else that only needed the inventory
        if exitstatus == pytest.ExitCode.INTERRUPTED or session.shouldfail or session.shouldstop:
            self.partial.append("stopped early")
        self.report = self._judged()
        path = Path(self._option("checklist_report"))
        self.report.write(path)
        write_html(self.report, path.with_suffix(".html"))
        unproved = self.report.counts()["not-verified"] or any(item.missing for item in self.report.items)
        if exitstatus == pytest.ExitCode.OK and (self.report.red() or (self._option("strict_checklist") and unproved)):
            session.exitstatus = FAILED

    @property
    def seconds(self) -> float:
        """How long this run has taken until now."""
        return time.time() - self.started.timestamp()

    def _of_item(self, identifier: str) -> list[Check]:
        return [check for one in self._collected.values() if identifier in one.items for check in one.checks]

    def _others(self) -> list[Check]:
        """Checks that prove no item."""
        return [check for one in self._collected.values() if one.asks_hosts and not one.items for check in one.checks]

    def _judged(self) -> Report:
        drilled = self._drilled()
        items = [
            judge(item, self._of_item(item.id) + drilled.get(item.id, []), self.decisions.get(item.id))
            for item in catalogue.load().values()
        ]
        return Report(
            schema=1,
            inventory=self._option("inventory"),
            machines=[machine.name for machine in self.machines],
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(self.seconds, 1),
            partial=self.partial,
            items=items,
            others=self._others(),
        )

    def _drilled(self) -> dict[str, list[Check]]:
        """By item: last results of drills that this run did not carry out itself."""
        ran = {check.name for one in self._collected.values() for check in one.checks}
        found: dict[str, list[Check]] = {}
        for record in self.drills.last(self.config.rootpath):
            for identifier in record.items if record.name not in ran else ():
                worth = standing(record, self._option("drill_days"), estate=self._estate_digest())
                found.setdefault(identifier, []).append(worth)
        return found

    def _estate_digest(self) -> str:
        """Which estate this is, whatever its inventory is called: by its internal CA. Empty when that is not known."""
        try:
            bundle = self.secrets.get("pki/ca") if self.secrets else ""
        except (SecretMissing, SecretsError):
            return ""
        _, _, certificate = bundle.partition("-----BEGIN CERT")
        return hashlib.sha256(certificate.encode()).hexdigest()[:16] if certificate else ""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.report:
            path = Path(self._option("checklist_report"))
            write_summary(terminalreporter, self.report, path, full=self._option("checklist_table") == "full")

    def _option(self, name: str) -> Any:
        return self.config.getoption(name)


def items_of(item: pytest.Item) -> list[str]:
    """The checklist items that a test is marked with."""
    return list(dict.fromkeys(identifier for mark in item.iter_markers("item") for identifier in mark.args))


def kind_of(item: pytest.Item) -> Kind:
    """What sort of proof a test is: as its mark says (`kind="drill"`), else by the directory it lives in."""
    marked = [mark.kwargs["kind"] for mark in item.iter_markers("item") if "kind" in mark.kwargs]
    return marked[0] if marked else KIND_OF_DIRECTORY.get(item.path.parent.name, "host")


def outcome(call: pytest.CallInfo[None]) -> tuple[Status, str]:
    """Failed is what an assertion says about the estate. Whatever else went wrong is a check error."""
    if call.excinfo is None:
        return "passed", ""
    error = call.excinfo.value
    message = str(error) or call.excinfo.typename
    if isinstance(error, pytest.skip.Exception):
        if message.startswith(NOT_APPLICABLE):
            return "not-applicable", message.removeprefix(NOT_APPLICABLE)
        return "not-verified", message
    if call.when == "call" and isinstance(error, AssertionError | pytest.fail.Exception):
        return "failed", message
    return "error", f"{call.excinfo.typename}: {message}"


def _without_machine(name: str, machine: str) -> str:
    """The test's name as it is for all machines: test_x[redis1-queue] becomes test_x[queue]."""
    test, _, parameters = name.partition("[")
    others = parameters.removesuffix("]").removeprefix(machine).removesuffix(machine).strip("-")
    return f"{test}[{others}]" if others else test


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
