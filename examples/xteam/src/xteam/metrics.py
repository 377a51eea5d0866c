"""Prometheus metrics. With several uvicorn workers set PROMETHEUS_MULTIPROC_DIR to an empty, writable directory of this
instance: the processes add up their counts there. Without it each process answers /metrics for itself alone."""

import os
import time
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

REQUESTS = Histogram(
    "xteam_http_request_duration_seconds",
    "Time to answer, by route",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RATE_LIMITED = Counter("xteam_rate_limited_requests", "Requests answered with 429")
BLACKLIST = Counter("xteam_token_blacklist_operations", "Uses of the token blacklist", ["operation", "result"])
CACHE = Counter("xteam_cache_requests", "Cached reads", ["result"])
UPSTREAM = Counter("xteam_upstream_attempts", "Outbound calls, each attempt", ["outcome"])
WEBSOCKETS = Counter("xteam_websocket_connections", "WebSockets by how they ended", ["code"])


class Live(Collector):
    """What is asked for at the moment of the scrape. Something that can't be asked is left out."""

    def collect(self) -> Iterator[Metric]:
        from xteam.operations import blacklist_size, last_heartbeat

        if (size := blacklist_size()) is not None:
            yield GaugeMetricFamily("xteam_token_blacklist_size", "Revoked tokens that have not expired", value=size)
        if (beat := last_heartbeat()) is not None:
            yield GaugeMetricFamily("xteam_heartbeat_timestamp_seconds", "Last tick of the Beat schedule", value=beat)
            yield GaugeMetricFamily("xteam_heartbeat_age_seconds", "Time since that tick", value=time.time() - beat)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    counted: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)
    live = CollectorRegistry()
    live.register(Live())
    return generate_latest(counted) + generate_latest(live)
