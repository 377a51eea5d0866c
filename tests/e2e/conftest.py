"""Labs for the end-to-end tests: booted when the first test asks, taken down whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.lab_session import INVENTORY, LabSession

# script/test sets it and takes down what begins with it, should this process be killed.
PREFIX = os.environ.get("XTEAM_E2E") or f"e2e-{os.getpid()}"


def pytest_configure(config: pytest.Config) -> None:
    """Let TERM and INT end the tests in order, with their labs taken down.

    Both are set by hand: a shell starts background commands with INT ignored.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a line at once, past pytest's capturing: these tests take minutes."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"  {text}")

    return line


@contextmanager
def lab_of(say: Callable[[str], None], topology: str, *options: str) -> Iterator[LabSession]:
    """A lab that lives as long as the block."""
    if os.geteuid() != 0:
        pytest.fail("a lab needs root: sudo script/test")
    session = LabSession(lab=f"{PREFIX}-{topology}", topology=topology, say=say)
    try:
        booted = session.lab_command("up", *options)
        assert booted.returncode == 0, booted.stderr
        yield session
    finally:
        subprocess.run([sys.executable, "-m", "lab", "down", "--name", session.lab], check=True, capture_output=True)


@pytest.fixture(scope="module")
def solo(say: Callable[[str], None]) -> Iterator[LabSession]:
    """One bare host for every role, with secrets of ordinary characters that something always misreads."""
    with lab_of(say, "solo", "--topology", "solo") as session:
        filled = session.run("secrets", sys.executable, "-m", "tests.hostile", INVENTORY)
        assert filled.returncode == 0, filled.stderr
        yield session


@pytest.fixture(scope="module")
def ha(say: Callable[[str], None]) -> Iterator[LabSession]:
    """Twelve bare hosts in two regions."""
    with lab_of(say, "ha", "--topology", "ha") as session:
        yield session
