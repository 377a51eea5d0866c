"""All objects, in the order in which they are made."""

from collections.abc import Mapping

from xteam_infra.kubernetes import environment, network, workloads
from xteam_infra.kubernetes.environment import Object
from xteam_infra.kubernetes.pods import ACCOUNT, CERTIFICATE, CLAIM, labels, modules, named, selector, settings
from xteam_infra.kubernetes.target import Target
from xteam_infra.layers.edge import public
from xteam_infra.layers.edge.public import body_limit, operators

# Another API pod is started when each process uses so much of a core (in thousandths), and the limit allows for it.
BUSY_PROCESS_M = 600
BUSY_PART = 0.7
# No pod behind this service: what the edge answers with 404 on hosts.
NOBODY = "nobody"


def manifests(target: Target) -> list[Object]:
    """Everything in the namespace, and the namespace."""
    running = [
        workloads.migration(target),
        workloads.api(target),
        *(workloads.worker(target, name) for name in target.estate.celery.celery_workers),
        workloads.beat(target),
        workloads.cleanup(target),
    ]
    deployed = [one["metadata"]["name"] for one in running if one["kind"] == "Deployment"]
    found = [
        _namespace(target),
        _object("v1", "ServiceAccount", ACCOUNT, ACCOUNT, automountServiceAccountToken=False),
        *_external_secrets(target, running),
        _config("environment", environment.application(target).plain),
        _config("settings", settings(target)),
        _config("runtime", modules()),
        _claim(target),
        *network.policies(target),
        *running,
        *(_disruption(name) for name in deployed),
        _service("api", target.estate.app.app_port, selector("api")),
        _service(NOBODY, target.estate.app.app_port, None),
        _autoscaler(target),
        _ingress(target),
    ]
    for one in found[1:]:
        one["metadata"]["namespace"] = target.options.namespace
    return found


def _namespace(target: Target) -> Object:
    found = _object("v1", "Namespace", target.options.namespace, "namespace")
    found["metadata"]["labels"] |= {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
    }
    return found


def _config(name: str, data: Mapping[str, str]) -> Object:
    return _object("v1", "ConfigMap", named(name, data), name, immutable=True, data=dict(data))


def _claim(target: Target) -> Object:
    """Uploads and workspaces: one tree for all pods, unlike on hosts."""
    chosen = {"storageClassName": target.options.storage_class} if target.options.storage_class else {}
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": target.options.storage}},
        **chosen,
    }
    return _object("v1", "PersistentVolumeClaim", CLAIM, "files", spec=spec)


def _disruption(name: str) -> Object:
    """A node that is drained takes one pod at a time."""
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector(name)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object("policy/v1", "PodDisruptionBudget", name, name, spec=spec)


def _service(name: str, port: int, pods: Mapping[str, str] | None) -> Object:
    chosen = {"selector": dict(pods)} if pods else {}
    spec = {"ports": [{"name": "https", "port": port, "targetPort": "https", "protocol": "TCP"}], **chosen}
    return _object("v1", "Service", name, name, spec=spec)


def _autoscaler(target: Target) -> Object:
    """Between what must be there when one is lost, and what PostgreSQL has connections for."""
    busy = BUSY_PROCESS_M * target.estate.app.api_workers
    if limit := target.estate.app.api_cpu_percent:
        busy = min(busy, int(limit * 10 * BUSY_PART))
    cpu = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": f"{busy}m"}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
        "minReplicas": target.replicas("app"),
        "maxReplicas": target.most_replicas,
        "metrics": [{"type": "Resource", "resource": cpu}],
        # WebSockets come back to other pods when theirs goes: not for every lull.
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", "api", "api", spec=spec)


def _ingress(target: Target) -> Object:
    """The public names and no other, as at the edge. TLS goes on to the pods."""
    edge, hosts = target.estate.edge, list(public.hosts(target.estate))
    waits = {"read": edge.edge_tunnel_timeout_seconds, "send": edge.edge_tunnel_timeout_seconds}
    annotations = {
        "backend-protocol": "HTTPS",
        "proxy-body-size": str(body_limit(target.estate)),
        "proxy-ssl-name": target.estate.fqdn("app"),
        "proxy-ssl-server-name": "on",
        "proxy-ssl-verify": "on",
        "proxy-ssl-secret": f"{target.options.namespace}/{CERTIFICATE}",
        "ssl-redirect": "true",
        **{f"proxy-{way}-timeout": str(seconds) for way, seconds in waits.items()},
    }
    paths = [_path(path, NOBODY) for path in operators(target.estate)] + [_path("/", "api")]
    spec = {
        "ingressClassName": target.options.ingress_class,
        "tls": [{"hosts": hosts, "secretName": target.options.tls_secret}],
        "rules": [{"host": host, "http": {"paths": paths}} for host in hosts],
    }
    found = _object("networking.k8s.io/v1", "Ingress", "api", "api", spec=spec)
    found["metadata"]["annotations"] = {
        f"nginx.ingress.kubernetes.io/{name}": value for name, value in annotations.items()
    }
    return found


def _path(path: str, service: str) -> Object:
    backend = {"service": {"name": service, "port": {"name": "https"}}}
    return {"path": path, "pathType": "Prefix", "backend": backend}


def _external_secrets(target: Target, running: list[Object]) -> list[Object]:
    """With --secret-store: external-secrets copies what is referred to, and nothing else, from the estate's store."""
    if not target.options.secret_store:
        return []
    prefix = target.estate.all.secrets_store.partition("/")[2] or "xteam"
    data = [
        {"secretKey": key, "remoteRef": {"key": f"{prefix}/{name}"}}
        for key, name in environment.keys_of(running).items()
    ]
    spec = {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": target.options.secret_store},
        "target": {"name": environment.SECRET, "creationPolicy": "Owner"},
        "data": data,
    }
    return [_object("external-secrets.io/v1", "ExternalSecret", environment.SECRET, "secrets", spec=spec)]


def _object(version: str, kind: str, name: str, component: str, **more: object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels(component)}, **more}
