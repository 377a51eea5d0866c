"""Drills on the edges: the one that holds the common address is lost, while somebody asks there without pause.

Figures are kept with each result: how many requests got no answer, and for how long nobody answered.
"""

import pytest

from checklist.run import not_applicable
from tests.drills.harness.prober import Prober
from xteam_infra.plan.needs import CA_PATH

pytestmark = pytest.mark.group("edge", first=True)
PATIENCE = 60


@pytest.fixture
def address(estate):
    if estate.edge.edge_floating_address is None:
        not_applicable("edge_floating_address is None: no address moves")
    return estate.edge.edge_floating_address.partition("/")[0]


@pytest.fixture
def holder(hosts, address):
    """Names of the edges that hold the address now, but for one that is away."""

    def look(without=""):
        asked = [edge for edge in hosts.group("edge") if edge.name != without]
        return [edge.name for edge in asked if edge.run(f"ip -o address show to {address}").stdout]

    return look


@pytest.fixture
def prober(outsider, estate, address):
    """Asks at the address."""
    found = Prober(outsider, estate.all.domain, address, f"--cacert {CA_PATH}")
    yield found
    found.stop()


@pytest.mark.item("INF-02", "TST-06")
@pytest.mark.parametrize("fault", ["power loss", "cut", "HAProxy hangs"])
def test_vrrp_moves_floating_address_to_another_edge(hosts, holder, prober, faults, figures, eventually, fault):
    """And keeps it when the first one is back, so that nobody is interrupted twice."""
    eventually(lambda: len(holder()) == 1 and len(prober.answered()) > 20, seconds=PATIENCE, interval=0.5)
    [old] = holder()
    if fault == "HAProxy hangs":
        began = float(hosts[old].check_output("date +%s.%N"))
        faults.freeze(old, "haproxy.service")
    else:
        began = faults.kill(old) if fault == "power loss" else faults.cut(old)
    eventually(lambda: len(holder(without=old)) == 1, seconds=PATIENCE, interval=0.2)
    eventually(lambda: len(prober.answered(began + 1)) > 20, seconds=PATIENCE, interval=0.5)
    new = holder(without=old)
    faults.undo()
    eventually(lambda: hosts[old].service("keepalived").is_running, seconds=PATIENCE, interval=0.5)
    back = prober.answers()[-1][0]
    eventually(lambda: len(prober.answered(back)) > 100, seconds=PATIENCE, interval=0.5)
    assert holder() == new, f"{old} held it, then {new}, and with {old} back {holder()}"
    figures["takeover_seconds"] = prober.longest_pause()
    figures["requests"], figures["unanswered"] = len(prober.answers()), prober.unanswered()
    late = prober.unanswered(back)
    assert late == 0, f"{late} requests got no answer after {old} had come back"
