"""Drill on the load that one client after the other can't make: through the whole chain, and on its last part alone.

Figures are kept, not asserted; what must hold is that every request is answered. `python -m bench.load` repeats it in
pairs and makes statistics.
"""

import pytest

from checklist.run import not_applicable
from tests.drills.harness.load import PATHS, UNLIMITED, Wrk, ways

pytestmark = pytest.mark.group("edge", first=True)
CONNECTIONS, SECONDS = 32, 20


@pytest.fixture
def unlimited(deploys):
    """The load comes from one address."""
    for layer in ("app", "edge"):
        deploys.good(layer, **UNLIMITED)
    yield
    for layer in ("app", "edge"):
        deploys.good(layer)


@pytest.mark.item("PERF-07", "TST-03")
def test_every_request_under_load_is_answered(hosts, estate, unlimited, figures):
    if not hosts.group("app"):
        not_applicable("no host of the application: nothing to load")
    client, site, alone = ways(hosts)
    wrk = Wrk(client, estate.all.domain, CONNECTIONS)
    try:
        for path in PATHS:
            seen = wrk(site, path, SECONDS), wrk(alone, path, SECONDS)
            name = path.strip("/")
            figures[f"{name}_requests"] = seen[0].requests
            figures[f"{name}_per_second"], figures[f"{name}_p99_ms"] = seen[0].per_second, seen[0].p99_ms
            figures[f"{name}_ratio_to_application_alone"] = round(seen[0].per_second / seen[1].per_second, 2)
            assert seen[0].requests > 100, f"{path}: {seen[0].requests} requests show nothing"
            failed = seen[0].failed + seen[1].failed
            assert failed == 0, f"{failed} requests for {path} failed: {seen}"
    finally:
        wrk.remove()
