"""Drills on the edges: the one that holds the common address is lost, while somebody asks there without pause.

Figures are kept with each result: how many requests got no answer, and for how long nobody answered.
"""

from itertools import pairwise
from shlex import quote

import pytest

from checklist.run import not_applicable

pytestmark = pytest.mark.group("edge", first=True)
PATIENCE = 60
DIRECTORY = "/run/xteam-edge-drill"
# One line a request: when it ended, and its status; 000 is no answer.
ASK = f"""
mkdir -p {DIRECTORY}; touch {DIRECTORY}/go
while [ -e {DIRECTORY}/go ]; do
    status=$(curl -s -o /dev/null -m 2 --cacert "$3" --resolve "$1:443:$2" -w '%{{http_code}}' "https://$1/healthz")
    echo "$EPOCHREALTIME $status" >> {DIRECTORY}/answers
    sleep 0.05
done
"""


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
def client(hosts, estate, address):
    """Asks at the address from a host that is no edge; `client()` is [(moment, status)] up to now."""
    others = [one for one in hosts if "edge" not in one.machine.groups]
    if not others:
        not_applicable("every host is an edge: nobody else could ask")
    host = others[0]
    host.check_output(f"rm -rf {DIRECTORY}")
    words = " ".join(map(quote, (ASK, "ask", estate.all.domain, address, "/etc/xteam/pki/ca.crt")))
    host.check_output(f"systemd-run -q --collect --unit xteam-edge-drill bash -c {words}")

    def answers():
        lines = host.run(f"cat {DIRECTORY}/answers 2>/dev/null").stdout.splitlines()
        return [(float(moment), status) for moment, status in map(str.split, lines)]

    yield answers
    host.run(f"rm -f {DIRECTORY}/go; systemctl stop xteam-edge-drill; rm -rf {DIRECTORY}")


def answered(client, after):
    """Moments of the answers after a moment."""
    return [moment for moment, status in client() if status != "000" and moment > after]


@pytest.mark.item("INF-02")
@pytest.mark.parametrize("fault", ["power loss", "cut", "HAProxy hangs"])
def test_another_edge_takes_the_address_over(hosts, holder, client, faults, figures, eventually, fault):
    """And keeps it when the first one is back, so that nobody is interrupted twice."""
    eventually(lambda: len(holder()) == 1 and len(answered(client, 0)) > 20, seconds=PATIENCE, interval=0.5)
    [old] = holder()
    if fault == "HAProxy hangs":
        began = float(hosts[old].check_output("date +%s.%N"))
        faults.freeze(old, "haproxy.service")
    else:
        began = faults.kill(old) if fault == "power loss" else faults.cut(old)
    eventually(lambda: len(holder(without=old)) == 1, seconds=PATIENCE, interval=0.2)
    eventually(lambda: len(answered(client, began + 1)) > 20, seconds=PATIENCE, interval=0.5)
    new = holder(without=old)
    faults.undo()
    eventually(lambda: hosts[old].service("keepalived").is_running, seconds=PATIENCE, interval=0.5)
    back = client()[-1][0]
    eventually(lambda: len(answered(client, back)) > 100, seconds=PATIENCE, interval=0.5)
    assert holder() == new, f"{old} held it, then {new}, and with {old} back {holder()}"
    moments = answered(client, 0)
    figures["takeover_seconds"] = round(max(b - a for a, b in pairwise(moments)), 1)
    figures["requests"] = len(client())
    figures["unanswered"] = sum(status == "000" for _, status in client())
    late = [moment for moment, status in client() if status == "000" and moment > back]
    assert not late, f"{len(late)} requests got no answer after {old} had come back"
