"""Drill on a host of the estate that opens thousands of connections to the others' services and says nothing."""

import json
from pathlib import Path

import pytest

from checklist.run import not_applicable
from tests.drills.harness.users import Users
from xteam_infra.plan.firewall_rules import firewall_rules

pytestmark = pytest.mark.group("edge", first=True)
ON_HOST = Path(__file__).parent / "harness/peers_on_host.py"
FILES, UNIT = "/run/xteam-drill-peers", "xteam-drill-peers"
CONNECTIONS, SECONDS, LATE_SECONDS = 3000, 40, 120
USERS = {"kept": 8, "slow": 4, "websockets": 12, "logins": 2}


@pytest.fixture
def users(host, estate, person, token, eventually):
    """Users, who need PostgreSQL and Redis with each request."""
    found = Users([host], estate, token, USERS, person)
    eventually(found.ready, seconds=60, interval=1)
    yield found
    found.remove()


@pytest.fixture
def wild(hosts):
    """A host that runs workers, and nothing that the users need."""
    found = [one for one in hosts if set(one.machine.groups) == {"worker"}]
    if not found:
        not_applicable("no host of workers alone: the application would be shut out with it")
    yield found[0]
    found[0].run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*")


@pytest.mark.item("SEC-07", "TST-08", kind="drill")
def test_connection_flood_of_one_host_leaves_ports_to_others(hosts, estate, wild, users, figures, eventually):
    """3,000 connections to each port that is open to it: it gets its share of them, and users notice nothing."""
    places, limits = {}, {}
    for other in hosts:
        for one in firewall_rules(estate, other.machine) if other != wild else []:
            if one.most and f"{wild.machine.address}/32" in one.v4:
                places[f"{one.comment} on {other.name}"] = (other.address, one.port)
                limits[f"{one.comment} on {other.name}"] = one.most
    given = {"places": places, "number": CONNECTIONS // (1 + len(places) // 5), "seconds": SECONDS}
    wild.run_with_stdin(f"cat > {FILES}.py", ON_HOST.read_text())
    wild.run_with_stdin(f"cat > {FILES}.in", json.dumps(given) + "\n")
    wild.check_output(
        f"systemd-run -q --collect --unit {UNIT} -p StandardInput=file:{FILES}.in -p LimitNOFILE=65536"
        f" -p RuntimeMaxSec={SECONDS + LATE_SECONDS} -p StandardOutput=truncate:{FILES}.out python3 {FILES}.py"
    )
    finished = f"systemctl is-active -q {UNIT}"
    eventually(lambda: wild.run(finished).rc != 0, seconds=SECONDS + LATE_SECONDS + 30, interval=1)
    became = json.loads(wild.check_output(f"cat {FILES}.out"))
    figures["places"] = len(places)
    figures["refused"] = sum(one["refused"] for one in became.values())
    figures |= {f"open: {place}": one["open"] for place, one in became.items()}
    users.result(eventually, figures)
    beyond = {place: one["open"] for place, one in became.items() if one["open"] > limits[place]}
    assert not beyond, f"more than its share: {beyond} of {limits}"
    assert figures["refused"], f"no flood: {became}"
