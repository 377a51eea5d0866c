"""Drills on somebody who wants an edge for himself alone, while others use it: they must not notice."""

import json

import pytest

from tests.drills.harness.asker import Asker
from tests.drills.harness.flood import CONNECTIONS, KINDS, Flood
from tests.drills.harness.users import Users

pytestmark = pytest.mark.group("edge", first=True)
USERS = {"kept": 8, "slow": 4, "websockets": 12}
LARGE_MB = 8
SOURCES = 50


@pytest.fixture
def other_users(host, hosts, estate, token, eventually):
    """Users of this edge over kept connections, with slow uploads and WebSockets."""
    found = Users([host], estate, token, USERS)
    eventually(found.ready, seconds=60, interval=1)
    yield found
    found.remove()


@pytest.fixture
def asker(host, hosts, estate):
    """Asks this edge, each time over a new connection, from a host that floods nobody."""
    trust = "--cacert /etc/xteam/pki/ca.crt"
    found = Asker(hosts.group("app")[0], estate.all.domain, host.address, trust, patience=10)
    yield found
    found.stop()


@pytest.fixture
def flood(host, estate, outsider, token):
    """Floods this edge from another host."""
    config = f'header = "Authorization: Bearer {token}"\nurl = "https://127.0.0.1/uploads?name=large"\n'
    config += f'header = "Host: {estate.all.domain}"\n'
    large = "/run/xteam-drill-large"
    send = f"head -c {LARGE_MB}M /dev/zero > {large}; curl -ksS -K - --data-binary @{large}; rm {large}"
    made = host.run_with_stdin(send, config).stdout
    found = Flood(outsider, host, estate, f"/uploads/{json.loads(made)['id']}", token)
    yield found
    found.remove()


def faults_since(edges, moment):
    """What keepalived has said of a HAProxy that does not answer."""
    look = f"journalctl -u keepalived --since @{moment} -o cat -g 'FAULT|failed|timed out'"
    return {edge.name: said for edge in edges if (said := edge.run(look).stdout.strip())}


@pytest.mark.item("INF-02", "SEC-07", "TST-08", kind="drill")
@pytest.mark.parametrize("kind", KINDS)
def test_floods_fail_no_other_user(host, hosts, other_users, asker, flood, figures, eventually, kind):
    """5,000 connections from one address, then from fifty: nobody else's request fails, no edge is taken for dead."""
    moment = int(float(host.check_output("date +%s")))
    eventually(lambda: len(asker.answered()) > 20, seconds=60, interval=0.5)
    for sources in (1, SOURCES):
        became = flood.run(kind, sources, eventually)
        figures |= {f"{name}_from_{sources}": became.get(name, 0) for name in ("attempts", "most_open")}
        figures[f"cancelled_from_{sources}"] = became.get("cancelled", 0)
        assert became["attempts"] >= CONNECTIONS, f"no flood: {became}"
    bad = [(moment, status) for moment, status in asker.answers() if status not in ("200", "429")]
    figures["new_connections"], figures["unanswered"] = len(asker.answers()), len(bad)
    figures["longest_pause_seconds"] = asker.longest_pause()
    other_users.result(eventually, figures)
    assert not bad, f"{len(bad)} of {len(asker.answers())} requests over new connections failed: {bad[:10]}"
    if hosts.group("edge")[1:]:
        assert not (said := faults_since(hosts.group("edge"), moment)), f"keepalived took HAProxy for dead: {said}"
