"""What every pod has: a confinement as hard as the units', the router beside the application, and its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xteam_infra.kubernetes import environment, units
from xteam_infra.kubernetes.environment import Object, rendered
from xteam_infra.kubernetes.target import Target
from xteam_infra.kubernetes.units import Unit
from xteam_infra.layers.app.files import CELERY_SETTINGS, celery_settings, operator_modules
from xteam_infra.layers.app.needs import RUNTIME
from xteam_infra.layers.router import files as router
from xteam_infra.layers.router.needs import redis_ports
from xteam_infra.plan import CA_PATH, PKI_DIRECTORY

# The Secret with tls.crt and tls.key of the API, the internal authority's ca.crt, and the router's client certificate.
CERTIFICATE = "xteam-api-tls"
CLAIM = "files"
STARTED = "/etc/xteam/router_started.py"
ACCOUNT = "xteam"
UID = 10001
SELECTED_BY = ("app.kubernetes.io/name", "app.kubernetes.io/component")
# templates/app/sandbox.j2, in Kubernetes' words.
CONFINED: Object = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": UID,
    "runAsGroup": UID,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Pod:
    """One kind of pod. checks: probes and hooks of its container. first: containers that must end well before."""

    target: Target
    component: str
    unit: Unit
    environment: environment.Variables
    own: Mapping[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    checks: Mapping[str, Any] = field(default_factory=dict)
    cpu_m: int = 50
    first: tuple[Object, ...] = ()
    certificate: bool = False
    drain_seconds: int = 0

    def template(self, **more: object) -> Object:
        """For a Deployment, a Job or a CronJob. more: further keys of its spec."""
        return {
            "metadata": {"labels": labels(self.component)},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": UID,
                    "runAsGroup": UID,
                    "fsGroup": UID,
                    "fsGroupChangePolicy": "OnRootMismatch",
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                # As on hosts: the router is on loopback, and TLS is verified by the names of what is behind it.
                "hostAliases": [{"ip": "127.0.0.1", "hostnames": [self._fqdn("postgres"), self._fqdn("redis")]}],
                "terminationGracePeriodSeconds": self.drain_seconds + self.unit.stop_seconds,
                "initContainers": [self.router(), *(self.container(**one) for one in self.first)],
                "containers": [self.container(name=self.component, cpu_m=self.cpu_m, **self.checks)],
                "volumes": self.volumes(),
                **more,
            },
        }

    def container(self, name: str, command: list[str] | None = None, cpu_m: int = 50, **checks: Any) -> Object:
        """One that runs the application's code within the unit's limits."""
        words = command or self.command or self.unit.command
        found: Object = {
            "name": name,
            "image": self.target.options.image,
            "command": words[:1],
            "args": words[1:],
            "workingDir": self.unit.one("WorkingDirectory") or "/",
            "env": self.variables(),
            "resources": resources(self.unit, cpu_m),
            "securityContext": CONFINED,
            "volumeMounts": self.mounts(),
            **checks,
        }
        if self.environment.plain:
            found["envFrom"] = [{"configMapRef": {"name": named("environment", self.environment.plain)}}]
        return found

    def variables(self) -> list[Object]:
        """What is not the same for every process: secrets, the unit's own, the pod's."""
        own = {**self.unit.environment, **self.own}
        place = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        return [place, *self.environment.secret, *({"name": name, "value": value} for name, value in own.items())]

    def router(self) -> Object:
        """Beside the application, started before it and stopped after it."""
        unit = units.read(router.unit(self.target.estate), self.target.estate)
        # Told by -Ws to report to systemd.
        words = ["-W" if word == "-Ws" else word for word in unit.command]
        return {
            "name": "router",
            "image": self.target.options.image,
            "restartPolicy": "Always",
            "command": words[:1],
            "args": words[1:],
            "env": environment.router_config(self.target)[1],
            "resources": resources(unit, 20),
            "securityContext": CONFINED,
            # What comes after it in the pod waits for this, up to a failover's time and more.
            "startupProbe": {
                "exec": {"command": ["/usr/bin/python3", STARTED, f"{router.RUNTIME}/admin.sock", *self._led()]},
                "periodSeconds": 1,
                "timeoutSeconds": 6,
                "failureThreshold": 120,
            },
            "volumeMounts": [
                _mount("settings", router.CONFIG, subPath="router.cfg"),
                _mount("settings", STARTED, subPath=STARTED.rpartition("/")[2]),
                _mount("pki", PKI_DIRECTORY),
                _mount("router", router.RUNTIME, False),
            ],
        }

    def mounts(self) -> list[Object]:
        """The files of a host, at their places."""
        found = [
            _mount("pki", PKI_DIRECTORY),
            _mount("settings", CELERY_SETTINGS, subPath="celery.json"),
            _mount("runtime", f"{RUNTIME}/xteam_runtime"),
            _mount("tmp", "/tmp", False),  # noqa: S108 - the pod's own
        ]
        found += [_mount(_word(path), path, False) for path in self.unit.runtime_directories]
        return found + [_mount("files", path, False, subPath=_word(path)) for path in self.unit.writable]

    def volumes(self) -> list[Object]:
        """What is mounted."""
        shown = {"ca.crt": CA_PATH.rpartition("/")[2], "router-client.pem": "router-client.pem"}
        if self.certificate:
            shown |= {"tls.crt": "api.crt", "tls.key": "api.key"}
        items = [{"key": key, "path": path} for key, path in shown.items()]
        found: list[Object] = [
            {"name": "pki", "secret": {"secretName": CERTIFICATE, "defaultMode": 0o440, "items": items}},
            {"name": "settings", "configMap": {"name": named("settings", settings(self.target))}},
            {"name": "runtime", "configMap": {"name": named("runtime", modules())}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "router", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
        ]
        for path in self.unit.runtime_directories:
            found.append({"name": _word(path), "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}})
        if self.unit.writable:
            found.append({"name": "files", "persistentVolumeClaim": {"claimName": CLAIM}})
        return found

    def _led(self) -> list[str]:
        """The router's ways to one server each."""
        return ["postgres-leader", *(f"redis-{role}" for role in redis_ports(self.target.estate))]

    def _fqdn(self, name: str) -> str:
        return self.target.estate.fqdn(name)


def resources(unit: Unit, cpu_m: int) -> Object:
    """The unit's limits; the CPU that is certain; memory as if all of it were used, so that no node is overbooked."""
    memory = f"{unit.memory_mb}Mi"
    limits = {"memory": memory}
    if unit.cpu_percent:
        limits["cpu"] = f"{unit.cpu_percent * 10}m"
        cpu_m = min(cpu_m, unit.cpu_percent * 10)
    return {"requests": {"cpu": f"{cpu_m}m", "memory": memory}, "limits": limits}


def settings(target: Target) -> dict[str, str]:
    """Files of settings: of Celery and of the router, with the question whether it has started."""
    started = STARTED.rpartition("/")[2]
    return {
        "celery.json": rendered(target, celery_settings(target.estate.celery)),
        "router.cfg": environment.router_config(target)[0],
        started: Path(__file__).with_name(started).read_text(),
    }


def modules() -> dict[str, str]:
    """The operator's package as on hosts, so that an image needs nothing of the provisioner."""
    return {file.dest.rpartition("/")[2]: file.content for file in operator_modules()}


def named(name: str, data: Mapping[str, str]) -> str:
    """A name that changes with what is in it: a pod that starts again has what its release was started with."""
    return f"{name}-{hashlib.sha256(json.dumps(dict(data), sort_keys=True).encode()).hexdigest()[:10]}"


def labels(component: str) -> dict[str, str]:
    """Of every object of a component."""
    return {**selector(component), "app.kubernetes.io/managed-by": "xteam-infra"}


def selector(component: str) -> dict[str, str]:
    """What finds its pods."""
    return dict(zip(SELECTED_BY, ("xteam", component), strict=True))


def _mount(name: str, path: str, read_only: bool = True, **more: str) -> Object:
    return {"name": name, "mountPath": path, "readOnly": read_only, **more}


def _word(path: str) -> str:
    """The end of a path, as a name."""
    return path.removeprefix("/run/").rpartition("/srv/xteam/")[2].replace("/", "-")
