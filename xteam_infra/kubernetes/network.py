"""Who may speak to whom: nobody but those that must, as the hosts' firewalls have it."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from xteam_infra.kubernetes.environment import Object
from xteam_infra.kubernetes.pods import labels, selector
from xteam_infra.kubernetes.target import Target
from xteam_infra.layers.postgres.needs import PORT, REST_PORT

HTTPS = 443


def policies(target: Target) -> list[Object]:
    """Nothing in or out; then the ways to the data, the world outside, and the API."""
    settings = target.estate.app
    proxies = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": target.options.ingress_namespace}}}
    api = [{"from": [proxies], "ports": [_port(settings.app_port)]}]
    found = [
        _policy("nothing-else", {}, {"policyTypes": ["Ingress", "Egress"]}),
        _policy("data", {}, {"policyTypes": ["Egress"], "egress": [_names(), *_data(target)]}),
        _policy("proxies-to-api", {"matchLabels": selector("api")}, {"policyTypes": ["Ingress"], "ingress": api}),
    ]
    if ports := outside(target):
        anywhere = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [_port(port) for port in ports]}
        callers = ["api", *(f"worker-{name}" for name in target.estate.celery.celery_workers)]
        pods = {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": callers}]}
        found.append(_policy("world", pods, {"policyTypes": ["Egress"], "egress": [anywhere]}))
    return found


def outside(target: Target) -> list[int]:
    """Ports of what the application calls in the world: the upstream, and where errors are reported."""
    settings = target.estate.app
    ports = {HTTPS} if settings.SENTRY_DSN else set()
    if settings.UPSTREAM_URL:
        address = urlsplit(settings.UPSTREAM_URL)
        ports.add(address.port or (HTTPS if address.scheme == "https" else 80))
    return sorted(ports)


def _names() -> Object:
    cluster = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    return {"to": [cluster], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}


def _data(target: Target) -> Iterable[Object]:
    redis = target.estate.redis
    roles = [instance.port for instance in redis.redis_instances.values()]
    for group, ports in (("postgres", [PORT, REST_PORT]), ("redis", [*roles, redis.redis_sentinel_port])):
        addresses = [machine.address for machine in target.estate.members(group)]
        yield {"to": [_block(address) for address in addresses], "ports": [_port(port) for port in ports]}


def _block(address: str) -> Object:
    return {"ipBlock": {"cidr": f"{address}/{128 if ':' in address else 32}"}}


def _port(number: int) -> Object:
    return {"protocol": "TCP", "port": number}


def _policy(name: str, pods: Object, rules: Object) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": labels("network")},
        "spec": {"podSelector": pods, **rules},
    }
