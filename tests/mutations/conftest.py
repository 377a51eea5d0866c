"""One test per mutation of tests/mutations/*.yml; their results go to build/report/mutations.json."""

import json
from pathlib import Path

import pytest

from checklist.mutate import Mutator
from checklist.mutations import MutationError, load
from checklist.plugin import RUN
from checklist.rerun import Known
from xteam_infra.layers import NAMES

MUTATOR: pytest.StashKey[Mutator] = pytest.StashKey()
REPORT = Path("build/report/mutations.json")


def pytest_generate_tests(metafunc):
    if "mutation" in metafunc.fixturenames:
        try:
            # The last layer first: what heals a lower one may start again what a higher one has broken.
            mutations = sorted(load(Path(__file__).parent), key=lambda one: -NAMES.index(one.layer))
        except MutationError as error:
            raise pytest.UsageError(str(error)) from error
        metafunc.parametrize("mutation", mutations, ids=[f"{m.layer}-{m.id}" for m in mutations])


@pytest.fixture(scope="session")
def mutator(pytestconfig, hosts, estate):
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def say(line):
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"  {line}")

    known = Known(hosts.machines, estate.model_dump_json())
    waived = frozenset(item for item, one in pytestconfig.stash[RUN].decisions.items() if one.kind == "waived")
    found = Mutator(pytestconfig.getoption("inventory"), hosts, known, say, waived)
    pytestconfig.stash[MUTATOR] = found
    return found


def pytest_terminal_summary(terminalreporter, config):
    if MUTATOR not in config.stash:
        return
    mutator = config.stash[MUTATOR]
    good = sum(result.good for result in mutator.results)
    terminalreporter.section("mutations")
    for result in mutator.results:
        state = "good" if result.good else result.outcome
        line = f"{state:<14} {result.layer}/{result.id} on {result.host}, {result.seconds:.0f} s"
        terminalreporter.write_line(line, green=result.good, red=not result.good)
        if result.explanation:
            terminalreporter.write_line(f"    {result.explanation}")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in mutator.counts().items())
    terminalreporter.write_line(f"{counts}; {good} of {len(mutator.results)} seen, predicted and healed")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    results = [{**result.model_dump(), "good": result.good} for result in mutator.results]
    document = {"schema": 1, "inventory": config.getoption("inventory"), "counts": mutator.counts(), "results": results}
    REPORT.write_text(json.dumps(document, indent=1) + "\n")
    terminalreporter.write_line(f"report: {REPORT}")
