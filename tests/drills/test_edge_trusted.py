"""Drill on networks that the edges trust: an office with many people behind one address."""

import json
from pathlib import Path

import pytest

from xteam_infra.layers.edge.needs import ALIVE_PORT, STREAMS

pytestmark = pytest.mark.group("edge", first=True)
SCRIPTS = Path(__file__).parents[1] / "hosts"
TRUSTED, OFFICE, STRANGER, OTHER = "127.77.0.0/16", "127.77.0.9", "127.78.0.9", "127.79.0.9"
MORE = 20


@pytest.fixture
def trusting(deploys):
    """The edges trust a network for the time of the drill."""
    deploys.good("edge", edge_trusted_networks=json.dumps([TRUSTED]))
    yield
    deploys.good("edge")


def became(host, script, given):
    file = "/run/xteam-drill-trusted.py"
    said = host.run_with_stdin(
        f"cat > {file} <<'END'\n{(SCRIPTS / script).read_text()}\nEND\npython3 {file}; end=$?; rm -f {file}; exit $end",
        f"{json.dumps(given)}\n",
        timeout=120,
    )
    assert said.rc == 0, said.stderr[-1000:]
    return json.loads(said.stdout)


@pytest.mark.item("SEC-07", kind="drill")
def test_trusted_network_has_no_source_limits(host, estate, trusting, figures):
    """Everybody else has."""
    settings = estate.edge
    connections, requests = settings.edge_connections_per_source + MORE, settings.edge_requests_per_source + MORE
    for source, name in ((OFFICE, "trusted"), (STRANGER, "stranger")):
        common = {"address": "127.0.0.1", "source": source, "other": OTHER, "name": estate.all.domain}
        silent = {
            "number": connections, "limit": settings.edge_connections_per_source, "patience": 2,
            "timeout": settings.edge_handshake_timeout_seconds + 20, "alive": f"http://127.0.0.1:{ALIVE_PORT}/",
        }  # fmt: skip
        figures[f"{name}_connections"] = became(host, "edge_source_on_host.py", common | silent)["held"]
        asked = {"number": requests, "streams": min(STREAMS, settings.edge_requests_per_source)}
        refused = became(host, "edge_requests_on_host.py", common | asked)["refused"]
        figures[f"{name}_requests"] = requests - refused
    assert figures["trusted_connections"] == connections, f"a trusted network is limited: {figures}"
    assert figures["trusted_requests"] == requests, f"a trusted network is limited: {figures}"
    assert figures["stranger_connections"] <= settings.edge_connections_per_source, f"strangers are not: {figures}"
    assert figures["stranger_requests"] <= settings.edge_requests_per_source, f"strangers are not: {figures}"
