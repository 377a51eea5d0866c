"""The environment that is written on hosts, split: what may be read by all, and references to the rest.

A secret's value is nowhere in here. The cluster's Secret has it under the name it has in the estate's store, with dots
for slashes: postgres/app is the key postgres.app.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xteam_infra.engine.operations import HostFile
from xteam_infra.engine.runtime import fill
from xteam_infra.errors import Problem
from xteam_infra.kubernetes.options import KubernetesError
from xteam_infra.kubernetes.target import Target
from xteam_infra.layers.app.files import environment, migrator_environment, worker_environment
from xteam_infra.layers.router import files as router
from xteam_infra.layers.router.needs import WRITE_PORT
from xteam_infra.secrets import open_store
from xteam_infra.secrets.escape import placeholder, refused

# The Secret that has to exist.
SECRET = "xteam"  # noqa: S105 - the name of an object
# A secret in a rendered text.
MARK = re.compile(r"<secret ([^>]+)>")

Object = dict[str, Any]


@dataclass(frozen=True)
class Variables:
    """plain: by name. secret: entries of a container's `env`, each after those its value refers to."""

    plain: Mapping[str, str]
    secret: list[Object] = field(default_factory=list)


def application(target: Target) -> Variables:
    """Of every process of the application."""
    return _split(_variables(target, environment(target.estate, target.pod, target.options.digest)) | _other(target))


def migration(target: Target) -> Variables:
    """Of a migration alone."""
    return _split(_variables(target, migrator_environment()))


def worker(target: Target, name: str) -> Mapping[str, str]:
    """What one worker adds."""
    return _variables(target, worker_environment(name, target.estate.celery.celery_workers[name]))


def router_config(target: Target) -> tuple[str, list[Object]]:
    """HAProxy's configuration, which takes its passwords from these variables. It knows them in double quotes only."""
    text = rendered(target, router.config(target.estate))
    found = [_from_secret(_variable(name), name) for name in _names(text)]
    return MARK.sub(lambda mark: f'"${{{_variable(mark[1])}}}"', text), found


def validate_environment(target: Target) -> None:
    """Raise KubernetesError when a pod would misread a password: Kubernetes puts it into a text as it is."""
    files = (environment(target.estate, target.pod, ""), router.config(target.estate))
    texts = [text for file in files for text in rendered(target, file).splitlines()]
    # A variable of its own may be anything.
    names = [name for text in texts if not re.fullmatch(rf'\w+="{MARK.pattern}"', text) for name in _names(text)]
    store = open_store(target.estate.all.secrets_store)
    values = ((name, store.get(name)) for name in dict.fromkeys(names))
    found = "other characters than a pod can put into an address or into HAProxy's configuration"
    if problems := [
        Problem("the secrets store", name, found, f"{allowed}: give it another value")
        for name, value in values
        if value and (allowed := refused(value, ("plain",)))
    ]:
        raise KubernetesError(problems)


def rendered(target: Target, file: HostFile) -> str:
    """A file as on a host, with marks for secrets."""
    values = {"estate": target.estate, **file.context, "secret": placeholder}
    return fill(file.template, values)


def keys_of(objects: Iterable[Object]) -> dict[str, str]:
    """{key of the Secret: name in the store} of every secret that these objects refer to."""
    found: dict[str, str] = {}
    for one in objects:
        for value in one.values():
            if isinstance(value, dict) and "secretKeyRef" in value:
                found[value["secretKeyRef"]["key"]] = value["secretKeyRef"]["key"].replace(".", "/")
            found |= keys_of(entry for entry in _inside(value))
    return dict(sorted(found.items()))


def _inside(value: object) -> list[Object]:
    listed = value if isinstance(value, list) else [value]
    return [entry for entry in listed if isinstance(entry, dict)]


def _other(target: Target) -> dict[str, str]:
    """What is not as on a host: there is no PgBouncer in a pod, and other proxies in front of it."""
    return {
        "TRUSTED_PROXIES": target.options.ingress_network,
        "POSTGRES_HOST": target.estate.fqdn("postgres"),
        "POSTGRES_PORT": str(WRITE_PORT),
    }


def _variables(target: Target, file: HostFile) -> dict[str, str]:
    return dict(re.findall(r'^(\w+)="(.*)"$', rendered(target, file), re.MULTILINE))


def _split(values: Mapping[str, str]) -> Variables:
    plain = {name: value for name, value in values.items() if not MARK.search(value)}
    found: dict[str, Object] = {}
    for name, value in values.items():
        if mark := MARK.fullmatch(value):
            found[name] = _from_secret(name, mark[1])
        elif names := _names(value):
            found |= {_variable(one): _from_secret(_variable(one), one) for one in names}
            found[name] = {"name": name, "value": MARK.sub(lambda mark: f"$({_variable(mark[1])})", value)}
    return Variables(plain, list(found.values()))


def _from_secret(variable: str, name: str) -> Object:
    reference = {"name": SECRET, "key": name.replace("/", ".")}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(MARK.findall(text)))


def _variable(name: str) -> str:
    """The variable that another one's value takes this secret from."""
    return f"SECRET_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
