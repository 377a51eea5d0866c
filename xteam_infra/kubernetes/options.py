"""What the command is told about the cluster, beyond the estate's settings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from xteam_infra.errors import Problem

DIGEST = re.compile(r"^(?P<name>[\w.:/-]+?)(?::(?P<tag>[\w.-]+))?@(?P<digest>sha256:[0-9a-f]{64})$")
LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
NAME = re.compile(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
QUANTITY = re.compile(r"^[1-9][0-9]*(Mi|Gi|Ti)$")


class KubernetesError(Exception):
    """Nothing can be rendered. Names each thing that is wrong, and what would be right."""

    def __init__(self, problems: list[Problem]):
        self.problems = problems
        super().__init__("\n".join(f"- {problem}" for problem in problems))


@dataclass(frozen=True)
class Options:
    """The arguments of the command, by their names. They say what no host of the inventory knows."""

    image: str
    namespace: str = "xteam"
    tls_secret: str = "xteam-tls"  # noqa: S105 - the name of an object
    ingress_class: str = "nginx"
    ingress_namespace: str = "ingress-nginx"
    ingress_network: str = "10.0.0.0/8"
    max_replicas: int | None = None
    storage: str = "20Gi"
    storage_class: str | None = None
    secret_store: str | None = None
    beside_hosts: bool = False

    @property
    def digest(self) -> str:
        """What the image is, whatever it is called."""
        return self.image.rpartition("@")[2]

    def problems(self) -> Iterator[Problem]:
        """Each argument that can't be meant."""
        if not DIGEST.match(self.image):
            yield self._problem("image", self.image or "none", self._image_fix())
        if not LABEL.match(self.namespace):
            yield self._problem("namespace", self.namespace, "at most 63 of a-z, 0-9 and -")
        for name in ("tls_secret", "ingress_class", "ingress_namespace", "storage_class", "secret_store"):
            value = getattr(self, name)
            if value is not None and not NAME.match(value):
                yield self._problem(name, value, "the name of an object: a-z, 0-9, . and -")
        if not QUANTITY.match(self.storage):
            yield self._problem("storage", self.storage, "a size such as 20Gi")
        if not _narrow(self.ingress_network):
            yield self._problem("ingress_network", self.ingress_network, "a network narrower than /0, as 10.244.0.0/16")
        if self.max_replicas is not None and self.max_replicas < 2:
            yield self._problem("max_replicas", str(self.max_replicas), "at least 2: one may be gone for a moment")

    def _image_fix(self) -> str:
        why = "a tag may mean another image tomorrow" if ":" in self.image.rpartition("/")[2] else "it names no version"
        return f"NAME@sha256:DIGEST ({why}); a push prints the digest, `docker image inspect` has it as RepoDigests"

    def _problem(self, name: str, found: str, allowed: str) -> Problem:
        return Problem("arguments", f"--{name.replace('_', '-')}", found, allowed)


def _narrow(text: str) -> bool:
    try:
        return ip_network(text).prefixlen > 0
    except ValueError:
        return False
