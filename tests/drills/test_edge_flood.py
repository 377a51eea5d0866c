"""Drills on somebody who wants an edge for himself alone, while others use it: they must not notice."""

import json
from itertools import product

import pytest

from tests.drills.harness.flood import CONNECTIONS, KINDS, V6_EDGE, V6_OTHER, Flood, Ipv6, v6_sources
from tests.drills.harness.prober import Prober
from tests.drills.harness.users import Users
from xteam_infra.plan.needs import CA_PATH

pytestmark = pytest.mark.group("edge", first=True)
USERS = {"kept": 8, "slow": 4, "websockets": 12, "logins": 2}
LARGE_MB = 8
SOURCES = 50


@pytest.fixture
def other_users(host, hosts, estate, person, token, eventually):
    """Users of this edge over kept connections, with slow uploads, WebSockets and logins."""
    found = Users([host], estate, token, USERS, person)
    eventually(found.ready, seconds=60, interval=1)
    yield found
    found.remove()


@pytest.fixture
def ipv6(host, hosts, outsider):
    """This edge, who floods it and who asks it have addresses of IPv6."""
    found = Ipv6(host, [(outsider, v6_sources(SOURCES)), (hosts.group("app")[0], [V6_OTHER])])
    yield
    found.remove()


@pytest.fixture
def prober(host, hosts, estate, ipv6):
    """Asks this edge by IPv4 and IPv6, each time over a new connection, from a host that floods nobody."""
    trust = f"--cacert {CA_PATH}"
    addresses = f"{host.address} [{V6_EDGE}]"
    found = Prober(hosts.group("app")[0], estate.all.domain, addresses, trust, patience=10)
    yield found
    found.stop()


@pytest.fixture
def flood(host, estate, outsider, token, ipv6):
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
    """What keepalived has said of a HAProxy that does not answer, or of the address that moves."""
    look = f"journalctl -u keepalived --since @{moment} -o cat -g 'FAULT|failed|timed out|Entering|MASTER'"
    return {edge.name: said for edge in edges if (said := edge.run(look).stdout.strip())}


@pytest.mark.item("INF-02", "SEC-07", "TST-08", kind="drill")
@pytest.mark.parametrize("kind", KINDS)
def test_flood_from_one_source_fails_no_other_user(host, hosts, other_users, prober, flood, figures, eventually, kind):
    """5,000 connections from one address, then from fifty, by IPv4 and IPv6: nobody else's request fails, and no edge
    is taken for dead or gives the common address away."""
    moment = int(float(host.check_output("date +%s")))
    eventually(lambda: len(prober.answered()) > 20, seconds=60, interval=0.5)
    for family, sources in product((4, 6), (1, SOURCES)):
        became = flood.run(kind, sources, family, eventually)
        for name in ("attempts", "most_open", *(["frames"] if "frames" in became else [])):
            figures[f"{name}_v{family}_from_{sources}"] = became.get(name, 0)
        assert became["attempts"] >= CONNECTIONS, f"no flood: {became}"
    bad = [(moment, status) for moment, status in prober.answers() if status not in ("200", "429")]
    figures["new_connections"], figures["unanswered"] = len(prober.answers()), len(bad)
    figures["longest_pause_seconds"] = prober.longest_pause()
    figures["haproxy_idle_percent_least"] = flood.least_idle
    figures["dropped_by_the_kernel"] = flood.dropped() - flood.dropped_before
    other_users.result(eventually, figures)
    assert not bad, f"{len(bad)} of {len(prober.answers())} requests over new connections failed: {bad[:10]}"
    if hosts.group("edge")[1:]:
        assert not (said := faults_since(hosts.group("edge"), moment)), f"keepalived took HAProxy for dead: {said}"
