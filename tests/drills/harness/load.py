"""A load of HTTP on the site: wrk on a host of the estate asks as fast as it can, over connections that stay open."""

import json
from dataclasses import dataclass
from typing import Any

FILES = "/run/xteam-load"
# Nothing is looked up for the first; the second comes out of the cache, and now and then out of the database.
PATHS = ("/healthz", "/statistics")
# Settings for a load that comes from one address; every request is counted all the same.
UNLIMITED = {"rate_limit_requests_per_minute": 10_000_000}
SCRIPT = r"""
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format('{"requests": %d, "seconds": %.3f, "failed": %d, "p50_ms": %.1f, "p99_ms": %.1f}\n',
        summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Seen:
    """What the clients of one run saw. failed: no answer, or a status from 400 on."""

    per_second: float
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


class Wrk:
    """wrk on `host`. connections: of all runs that go on at the same time."""

    def __init__(self, host: Any, name: str, connections: int):
        self.host, self.name, self.connections = host, name, connections
        host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -q -y wrk >/dev/null", timeout=300)
        host.run_with_stdin(f"cat > {FILES}.lua", SCRIPT)

    def __call__(self, addresses: list[str], path: str, seconds: int) -> Seen:
        """Ask all addresses ("10.0.0.1:443") at the same time for a path, as the public name."""
        each = max(1, self.connections // len(addresses))
        ask = f"wrk -t 1 -c {each} -d {seconds} --timeout 10 -s {FILES}.lua -H 'Host: {self.name}'"
        runs = " ".join(f"{{ {ask} https://{one}{path} 2>&1 | tail -n 1; }} &" for one in addresses)
        said = self.host.check_output(f"{runs} wait", timeout=seconds + 60)
        found = [json.loads(line) for line in said.splitlines()]
        return Seen(
            per_second=round(sum(one["requests"] / one["seconds"] for one in found), 1),
            requests=sum(one["requests"] for one in found),
            failed=sum(one["failed"] for one in found),
            p50_ms=max(one["p50_ms"] for one in found),
            p99_ms=max(one["p99_ms"] for one in found),
        )

    def remove(self) -> None:
        """Leave nothing but the program."""
        self.host.run(f"rm -f {FILES}.lua")


def ways(hosts: Any) -> tuple[Any, list[str], list[str]]:
    """Who asks, and whom: an edge's host (nobody else may ask the application), the site, and its servers alone.

    With several edges the one that asks is not the one that is asked.
    """
    edges = hosts.group("edge")
    alone = []
    for one in hosts.group("app"):
        lines = [line.split() for line in one.check_output("xteam-switch status").splitlines()]
        alone += [f"{one.address}:{line[1]}" for line in lines if line[2] == "serves"]
    return edges[-1], [f"{edges[0].address}:443"], alone
