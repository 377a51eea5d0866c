"""What one source may have of an edge below HTTP, and what the world can't use up."""

import json
from pathlib import Path
from secrets import randbelow

import pytest
from edge_client import anybody

from xteam_infra.layers.edge.needs import ALIVE_PORT, STREAMS

pytestmark = [pytest.mark.group("edge"), pytest.mark.serial]
ON_HOST = Path(__file__).with_name("edge_source_on_host.py")
REQUESTS = Path(__file__).with_name("edge_requests_on_host.py")
MORE = 20  # connections, or requests, beyond the limit
PATIENCE = 20


@pytest.fixture
def silent(host, estate):
    """What becomes of connections of one source that say nothing: `silent(address, source)`."""
    settings = estate.edge

    def connect(address, source):
        given = {
            "address": address, "source": source, "other": anybody(),
            "number": settings.edge_connections_per_source + MORE, "limit": settings.edge_connections_per_source,
            "timeout": settings.edge_handshake_timeout_seconds + PATIENCE, "patience": PATIENCE,
            "alive": f"http://127.0.0.1:{ALIVE_PORT}/", "name": estate.all.domain,
        }  # fmt: skip
        script = f"cat > /run/xteam-source.py <<'END'\n{ON_HOST.read_text()}\nEND\npython3 /run/xteam-source.py"
        said = host.run_with_stdin(script, f"{json.dumps(given)}\n", timeout=120)
        assert said.rc == 0, f"connections of {source}: {said.stderr[-1000:]}"
        return json.loads(said.stdout)

    yield connect
    host.run("rm -f /run/xteam-source.py")


@pytest.fixture
def ipv6_client(host):
    """An address that nobody else is: other checks ask from ::1, and edges add up what it asked of each of them."""
    address = f"fd6d:e464:{randbelow(1 << 16):x}:{randbelow(1 << 16):x}::1"
    host.check_output(f"ip -6 address add {address}/128 dev lo nodad")
    yield address
    host.run(f"ip -6 address del {address}/128 dev lo")


@pytest.mark.item("SEC-07", kind="wire")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connections_per_source_are_limited(silent, estate, address, ipv6_client):
    """Refused beyond it while another source is served, and what it has ends soon when it says nothing."""
    limit = estate.edge.edge_connections_per_source
    became = silent(address, ipv6_client if address == "::1" else anybody())
    assert became["held"] <= limit, f"one source has {became['held']} connections, {limit} are allowed"
    assert became["refused"], f"{limit + MORE} connections of one source are open until their time is over"
    assert became["held"] > limit / 2, f"one source gets {became['held']} connections of {limit} alone"
    assert became["other"], "another source is not served meanwhile"
    assert became["alive"], "keepalived's question is not answered meanwhile"
    assert became["left"] == 0, f"{became['left']} connections without a handshake are still open"


@pytest.mark.item("SEC-07", kind="wire")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_concurrent_requests_per_source_are_limited(host, estate, address, ipv6_client):
    """Those under way at once, in few connections of HTTP/2; beyond it 429, until some of them have ended."""
    limit = estate.edge.edge_requests_per_source
    given = {
        "address": address, "source": ipv6_client if address == "::1" else anybody(), "other": anybody(),
        "number": limit + MORE, "streams": min(STREAMS, limit), "name": estate.all.domain,
    }  # fmt: skip
    said = host.run_with_stdin(
        f"cat > /run/xteam-requests.py <<'END'\n{REQUESTS.read_text()}\nEND\n"
        "python3 /run/xteam-requests.py; end=$?; rm -f /run/xteam-requests.py; exit $end",
        f"{json.dumps(given)}\n",
        timeout=120,
    )
    assert said.rc == 0, f"requests of {address}: {said.stderr[-1000:]}"
    became = json.loads(said.stdout)
    under_way = limit + MORE - became["refused"]
    assert under_way <= limit, f"one source has {under_way} requests under way, {limit} are allowed"
    assert under_way > limit / 2, f"one source gets {under_way} requests of {limit} alone"
    assert became["other"], "another source is not served meanwhile"
    assert became["again"], "a source whose requests have ended gets no new one"


@pytest.mark.item("INF-02", kind="wire")
def test_health_checks_have_reserved_connections(host):
    """All frontends at their limits are fewer connections than the process may have."""
    rows = [line.split(",") for line in host.check_output("xteam-edge show stat").lstrip("# ").splitlines() if line]
    names = rows[0]
    limits = {
        row["pxname"]: int(row["slim"])
        for row in (dict(zip(names, row, strict=False)) for row in rows[1:])
        if row["svname"] == "FRONTEND"
    }
    info = dict(line.split(": ", 1) for line in host.check_output("xteam-edge show info").splitlines() if ": " in line)
    assert {"alive", "http", "https"} <= set(limits), f"frontends: {limits}"
    assert sum(limits.values()) < int(info["Maxconn"]), f"{limits} of {info['Maxconn']} connections of the process"
    files = int(info["Ulimit-n"])
    assert files >= 2 * int(info["Maxconn"]), f"{files} open files for {info['Maxconn']} connections"
