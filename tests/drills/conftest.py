"""What every drill may use: `faults`, `write`, `figures`, `runbook` (docs/verification.md, "Drills")."""

import pytest

from tests.drills.harness.faults import Faults
from tests.drills.harness.runbooks import Runbook
from tests.drills.harness.writers import Writer


@pytest.fixture
def faults(hosts):
    """Power, cables, services; all as before when the drill has ended."""
    found = Faults(hosts)
    yield found
    found.undo()


@pytest.fixture
def write(eventually):
    """Start applications that write; none is left behind: `write(host, orders)`."""
    started = []

    def start(host, orders, name=""):
        started.append(Writer(host, orders, name))
        return started[-1].started(eventually)

    yield start
    for writer in started:
        writer.remove()


@pytest.fixture
def runbook(pytestconfig):
    """Carry out docs/runbooks/NAME.md: `book = runbook("failover")`. In the end every block must have been run."""
    opened = []

    def open_(name):
        opened.append(Runbook(name, pytestconfig.getoption("inventory")))
        return opened[-1]

    yield open_
    for book in opened:
        assert not book.not_run(), f"docs/runbooks/{book.name}.md has commands that nobody runs: {book.not_run()}"
