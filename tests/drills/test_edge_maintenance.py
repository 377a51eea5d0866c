"""Drills on the page that users see instead of the application: while operators work on it, and while it is away."""

import json

import pytest

from tests.drills.harness.prober import Prober
from xteam_infra.layers.app.needs import API_UNIT
from xteam_infra.plan.needs import CA_PATH

pytestmark = pytest.mark.group("edge", first=True)
TEXT, SECONDS = "New rooms & a new roof <tonight>", 120
STRANGER, GUEST = "127.88.7.1", "127.88.8.1"
BROWSER, PROGRAM = "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"


@pytest.fixture
def ask(host, estate):
    """Ask the edge for a path of the application: status, headers (lower case) and text."""
    domain = estate.all.domain

    def look(accept, client=STRANGER):
        command = f"curl -sk -i --http1.1 -m 10 --interface {client} --connect-to {domain}:443:127.0.0.1:443"
        said = host.check_output(f"{command} -H 'Accept: {accept}' https://{domain}/statistics")
        head, _, text = said.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.lower().splitlines()
        return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), text

    return look


def turned_away(ask, seconds):
    """What a browser is shown, once it is clear that programs get JSON, and both are told when to come back."""
    for accept, kind in ((BROWSER, "text/html"), (PROGRAM, "application/json")):
        status, headers, text = ask(accept)
        assert status == 503 and headers["content-type"].startswith(kind), f"{accept} gets {status} {headers}"
        assert headers["retry-after"] == str(seconds) and headers["cache-control"] == "no-store", f"headers: {headers}"
        assert "strict-transport-security" in headers and headers["x-request-id"], f"headers: {headers}"
        if kind == "application/json":
            assert json.loads(text)["request_id"] == headers["x-request-id"]
    return ask(BROWSER)[2]


def master(host):
    """The process that a reload keeps and a restart does not."""
    return host.check_output("systemctl show -P MainPID haproxy.service")


@pytest.fixture
def prober(host, outsider, estate):
    """Asks this edge."""
    found = Prober(outsider, estate.all.domain, host.address, f"--cacert {CA_PATH}")
    yield found
    found.stop()


@pytest.fixture
def maintenance(deploys):
    """Begin it: `maintenance(edge_retry_after_seconds=120)`. Afterwards it is over."""

    def begin(**data):
        deploys.good("edge", edge_maintenance=TEXT, **data)

    yield begin
    deploys.good("edge")


@pytest.mark.item("PRE-08")
def test_maintenance_page_answers_503(host, hosts, ask, prober, maintenance, deploys, figures, eventually):
    """Everybody but whom operators let in; by a reload, there and back, without a connection lost."""
    before = master(host)
    eventually(lambda: len(prober.answered()) > 20, seconds=60)
    maintenance(edge_retry_after_seconds=SECONDS, edge_maintenance_networks=json.dumps([f"{GUEST}/32"]))
    page = turned_away(ask, SECONDS)
    assert "New rooms &amp; a new roof &lt;tonight&gt;" in page, f"the page does not say what it should: {page}"
    assert ask(BROWSER, GUEST)[0] == 200, "whom operators let in is turned away too"
    smoke = hosts.group("app")[0].run(f"xteam-smoke --connect {host.address}:443", timeout=180)
    assert smoke.rc == 0, f"the smoke suite is turned away too: {smoke.stderr[-1000:]}"
    deploys.good("edge")
    assert ask(BROWSER)[0] == 200, "maintenance is over, and users are still turned away"
    since = prober.answers()[-1][0]
    eventually(lambda: len(prober.answered(since)) > 20, seconds=60)
    figures["requests"], figures["unanswered"] = len(prober.answers()), prober.unanswered()
    assert master(host) == before, "HAProxy was restarted"
    assert figures["unanswered"] == 0, f"{figures['unanswered']} requests got no answer at all"


@pytest.mark.item("INF-04")
def test_no_ready_application_host_answers_503(host, hosts, estate, ask, faults, eventually):
    """No instance of the application serves: the same page, and it goes when one is back."""
    for one in hosts.group("app"):
        unit = one.check_output(f"systemctl list-units --plain --no-legend --state=active '{API_UNIT}'").split()[0]
        faults.stop(one.name, unit)
    # Until the edge has noticed, a request that meets nobody gets the short answer for programs.
    eventually(lambda: ask(BROWSER)[1]["content-type"].startswith("text/html"), seconds=30, interval=0.5)
    assert "not available" in turned_away(ask, estate.edge.edge_retry_after_seconds)
    faults.undo()
    eventually(lambda: ask(PROGRAM)[0] == 200, seconds=120, interval=1)
