"""The pytest plugin: checks over an inventory, tied to the items of the checklist.

    pytest tests/hosts --inventory inventories/lab.py

docs/operations/verification.md shows how to write a check.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from checklist import catalogue, decisions, drills
from checklist.controller import Controller
from checklist.estate import EstateReader
from checklist.hosts import CheckedHost, Hosts
from checklist.http import Http
from checklist.inventory import InventoryError, Machine, limited, read
from checklist.parallel import Parallel
from checklist.run import FIGURES, ChecklistRun, Nobody, items_of, kind_of
from checklist.vault import SecretReader
from checklist.waiting import eventually as wait_for

if TYPE_CHECKING:
    from xteam_infra.estate import Estate

# More keep two cores no busier, and a small host would feel them.
AT_ONCE = 4
RUN: pytest.StashKey[ChecklistRun] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    add = parser.getgroup("checklist", "verification of an inventory against the production checklist").addoption
    add("--inventory", metavar="PATH", help="pyinfra inventory whose machines are verified")
    add("--limit", metavar="NAMES", default="", help="only these machines: host or group names, comma separated")
    add("--at-once", metavar="N", type=int, default=AT_ONCE, help="checks at the same time (default: %(default)s)")
    add("--checklist-report", metavar="PATH", default="build/report/checklist.json", help="where the report is written")
    add("--checklist-table", choices=("short", "full"), default="short", help="full: all items, not only the open ones")
    add("--strict-checklist", action="store_true", help="fail also for items not, or not fully, verified")
    add("--waivers", metavar="PATH", default=str(decisions.WAIVERS), help="file of waivers")
    add("--attestations", metavar="PATH", default=str(decisions.ATTESTATIONS), help="file of attestations")
    add("--drill-results", metavar="PATH", help="dated results of drills (default: build/drills/<inventory>.json)")
    add("--drill-days", metavar="N", type=float, default=drills.DAYS, help="days a good drill holds (%(default)s)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "item(*ids, kind=None): the checklist items this test proves, such as 'RED-03'")
    config.addinivalue_line(
        "markers", "group(*names, first=False): run on the machines of these groups (first: on the first one only)"
    )
    config.addinivalue_line(
        "markers", "serial(name): these checks disturb each other, on all machines and in all files of that name"
    )
    path = config.getoption("inventory")
    if path is None:
        return
    waivers, attestations = Path(config.getoption("waivers")), Path(config.getoption("attestations"))
    store = drills.DrillStore(Path(config.getoption("drill_results") or drills.default_path(path)))
    estate = None
    try:
        ruled = decisions.load(set(catalogue.load()), Path(path).stem, waivers, attestations)
        store.read()  # a malformed file is told before anybody waits
        estate = EstateReader(path)  # reads while we read the machines
        machines = read(path)
        selected = limited(machines, config.getoption("limit"))
    except (InventoryError, decisions.DecisionError, drills.DrillError) as error:
        if estate:
            estate.stop()
        raise pytest.UsageError(str(error)) from error
    run = ChecklistRun(config, machines, selected, estate, ruled, store)
    if config.getoption("limit"):
        run.partial.append(f"--limit {config.getoption('limit')}")
    config.stash[RUN] = run
    config.pluginmanager.register(run, "checklist-run")
    config.pluginmanager.register(Parallel(run, config.getoption("at_once")), "checklist-parallel")


def _run(config: pytest.Config) -> ChecklistRun:
    if RUN not in config.stash:
        raise pytest.UsageError("checks of hosts need --inventory, such as --inventory inventories/lab.py")
    return config.stash[RUN]


# --- Which check runs on which machine, for which items


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per machine of the groups it is marked with."""
    if "machine" not in metafunc.fixturenames:
        return
    run = _run(metafunc.config)
    marks = list(metafunc.definition.iter_markers("group"))
    groups = {name for mark in marks for name in mark.args}
    machines = [m for m in run.machines if not groups or groups & set(m.groups)]
    if not machines and not metafunc.config.getoption("limit"):
        nobody = Nobody(" or ".join(sorted(groups)))  # must show as an error, not vanish
        metafunc.parametrize("machine", [nobody], ids=[nobody.name])
        return
    if any(mark.kwargs.get("first") for mark in marks):
        machines = machines[:1]
    selected = [m for m in machines if m in run.selected]
    metafunc.parametrize("machine", selected, ids=[m.name for m in selected])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    known = catalogue.load()
    for item in items:
        if unknown := [identifier for identifier in items_of(item) if identifier not in known]:
            raise pytest.UsageError(f"{item.nodeid}: no item {', '.join(unknown)} in checklist/catalogue.yml")
        if kind_of(item) not in get_args(catalogue.Kind):
            kinds = ", ".join(get_args(catalogue.Kind))
            raise pytest.UsageError(f"{item.nodeid}: no kind {kind_of(item)!r} of proof; there are {kinds}")
    if config.getoption("limit"):
        # --limit leaves some tests without a machine; pytest would list each of them as skipped.
        items[:] = [item for item in items if not _without_machine(item)]
        if not items:
            raise pytest.UsageError(f"--limit {config.getoption('limit')}: none of these checks looks at such a host")


def _without_machine(item: pytest.Item) -> bool:
    return "machine" in getattr(item, "fixturenames", ()) and not isinstance(_machine_of(item), Machine | Nobody)


def _machine_of(item: pytest.Item) -> object:
    return item.callspec.params.get("machine") if hasattr(item, "callspec") else None


# --- What checks work with


@pytest.fixture(scope="session")
def hosts(pytestconfig: pytest.Config) -> Hosts:
    """Every machine of the inventory: `hosts["db1"]`, `hosts.group("redis")`."""
    return _run(pytestconfig).hosts


@pytest.fixture
def host(machine: Machine, hosts: Hosts) -> CheckedHost:
    """The machine under test, as a testinfra host seen by root."""
    return hosts[machine.name]


@pytest.fixture(scope="session")
def estate(pytestconfig: pytest.Config) -> "Estate":
    """The settings and machines the deploys work with."""
    return _run(pytestconfig).estate.get()


@pytest.fixture(scope="session")
def secret(pytestconfig: pytest.Config, estate: "Estate") -> Callable[[str], str]:
    """`secret("redis/queue/app")` is the value in the store; no report will ever show it."""
    run = _run(pytestconfig)
    return (run.secrets or SecretReader(estate, run.redact)).get


@pytest.fixture(scope="session")
def http(pytestconfig: pytest.Config) -> Http:
    """An HTTP client on the controller, which records what it sees: `http(host.address, "/healthz")`."""
    run = _run(pytestconfig)
    return Http(run.recorder, run.hosts.memo)


@pytest.fixture
def controller(pytestconfig: pytest.Config) -> Controller:
    """Runs a program on the controller, which records what it says: `controller("ssh_audit.ssh_audit", address)`."""
    return Controller(_run(pytestconfig).recorder)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, int | float | str]:
    """What a drill measures: `figures["outage_seconds"] = 21.3`. Kept with its dated result and shown in reports."""
    kept: dict[str, int | float | str] = request.node.stash.setdefault(FIGURES, {})
    return kept


@pytest.fixture(scope="session")
def eventually() -> Callable[..., object]:
    """`eventually(lambda: host.service("x").is_running, seconds=10)`: wait for a state that takes its time."""
    return wait_for
