"""Runs checks and deploys again and again for the mutations, without paying for start-up each time.

The checks run in children of a server process that has imported everything beforehand, with the inventory and the
estate already read: a run of one layer's checks on one host then takes about a second instead of six.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from checklist.inventory import Machine
from checklist.report import Check, Report

PYTEST = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", "--tb=short"]
DEPLOY_SECONDS = 600


class RerunError(Exception):
    """The checks or the deploy could not be run."""


@dataclass
class Known:
    """What need not be read again."""

    machines: tuple[Machine, ...]
    estate: str
    _context: multiprocessing.context.ForkServerContext = field(
        default_factory=lambda: multiprocessing.get_context("forkserver")
    )

    def __post_init__(self) -> None:
        self._context.set_forkserver_preload(["checklist.plugin", "xteam_infra.validate", "boto3"])

    def checks(self, files: list[Path], inventory: str, limit: str) -> Report:
        """The report of a run of the checks in some files. Raises RerunError when they can't be run."""
        with tempfile.TemporaryDirectory() as directory:
            report, log = Path(directory) / "checklist.json", Path(directory) / "log"
            arguments = [
                *PYTEST,
                *map(str, files),
                "--inventory",
                inventory,
                "--limit",
                limit,
                f"--checklist-report={report}",
                # A drill of last week says nothing about what was broken a moment ago.
                f"--drill-results={directory}/drills.json",
            ]
            child = self._context.Process(target=_child, args=(arguments, log, self.machines, self.estate))
            child.start()
            child.join()
            if not report.exists():
                said = log.read_text() if log.exists() else ""
                raise RerunError(
                    f"the checks of {', '.join(map(str, files))} did not run (status {child.exitcode}):\n{said[-3000:]}"
                )
            return Report.read(report)


def _child(arguments: list[str], log: Path, machines: tuple[Machine, ...], estate: str) -> None:
    import pytest

    from checklist import estate as estate_module
    from checklist import inventory

    inventory.PREREAD[:] = [machines]
    estate_module.PREREAD[:] = [estate]
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(int(pytest.main(arguments)))


def red_of(report: Report) -> set[str]:
    """What a run found wrong: ids of items, and names of checks that prove no item."""
    items = {item.id for item in report.items if _any_red(item.checks)}
    others = {check.name.rpartition("::")[2].partition("[")[0] for check in report.others if _any_red([check])}
    return items | others


def _any_red(checks: list[Check]) -> bool:
    return any(check.status in ("failed", "error") for check in checks)


def planned(inventory: str, deploy: Path, limit: str, exclude: tuple[str, ...] = (), **data: object) -> list[str]:
    """Names of the operations that a dry run says would change something.

    exclude: hosts that are down. data: settings for this run alone.
    """
    without = [word for name in exclude for word in ("--exclude", name)]
    stdout = _pyinfra("--dry", "--json", inventory, str(deploy), *_limit(limit), *without, *_data(data))
    return [operation["name"] for operation in json.loads(stdout)["plan"] if operation["hosts_with_change"]]


def deploy(inventory: str, path: Path, limit: str, **data: object) -> None:
    """Carry out a deploy. Raises RerunError when it fails on any host. data: settings for this run alone."""
    results = json.loads(_pyinfra("-y", "--json", inventory, str(path), *_limit(limit), *_data(data)))["results"]
    if results["failed_hosts"]:
        raise RerunError(f"{path} failed on {', '.join(results['failed_hosts'])}")


def _limit(limit: str) -> list[str]:
    return [word for name in limit.split(",") if name for word in ("--limit", name)]


def _data(data: dict[str, object]) -> list[str]:
    return [word for key, value in data.items() for word in ("--data", f"{key}={value}")]


def _pyinfra(*arguments: str) -> str:
    program = Path(sys.executable).with_name("pyinfra")
    try:
        run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=DEPLOY_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RerunError(f"pyinfra {' '.join(arguments)}: not done within {DEPLOY_SECONDS} s") from error
    # pyinfra prints nothing at all when every host failed.
    if run.returncode != 0 or not run.stdout.strip():
        raise RerunError(f"pyinfra {' '.join(arguments)} ended with {run.returncode}:\n{run.stderr[-3000:]}")
    return run.stdout
