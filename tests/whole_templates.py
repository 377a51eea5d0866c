"""Every template that takes a secret, rendered whole with values that something always misreads.

Found by looking: a template that is not in `contexts` fails the tests, so that none is forgotten.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xteam_infra.engine import runtime
from xteam_infra.engine.common_files import credentials_file, password_file
from xteam_infra.layers.app import files as application
from xteam_infra.layers.backup import needs as backup
from xteam_infra.layers.etcd import needs as etcd_plan
from xteam_infra.layers.postgres import needs as postgres_plan
from xteam_infra.layers.postgres.patroni import dynamic
from xteam_infra.layers.redis import needs as redis
from xteam_infra.layers.redis_backup import needs as redis_backup
from xteam_infra.layers.router import files as router

TEMPLATES = Path(runtime.PROJECT, "templates")
NEVER = {"two lines": "a\nb", "a carriage return": "a\rb", "NUL": "a\0b", "a tab": "a\tb"}


def with_secrets() -> list[str]:
    """The templates that take a secret, whatever they are called."""
    found = [path for path in sorted(TEMPLATES.rglob("*.j2")) if re.search(r"\bsecret\s*\(", path.read_text())]
    return [str(path.relative_to(TEMPLATES)) for path in found]


def contexts(estate: Any) -> dict[str, Mapping[str, Any]]:
    """What each of them is told, on the first host that has such a file."""
    first = {group: estate.members(group)[0] for group in ("redis", "postgres", "backup", "app")}
    role, instance = next(iter(estate.redis.redis_instances.items()))
    of_redis = {"machine": first["redis"], "role": role, "instance": instance}
    sentinel = {"machine": first["redis"], "role": redis.SENTINEL}
    found: dict[str, Mapping[str, Any]] = {
        one.template: one.context
        for one in (
            application.environment(estate, first["app"], "r1"),
            application.migrator_environment(),
            router.config(estate),
            password_file("/x", "redis/cache/admin"),
            credentials_file("/x", estate.backup, validate=""),
        )
    }
    found["redis/redis.acl.j2"] = found["redis/redis.start.conf.j2"] = of_redis
    found["redis/sentinel.acl.j2"] = sentinel
    found["redis/sentinel.conf.j2"] = {
        **sentinel,
        "certificate": redis.certificate(estate, first["redis"], redis.SENTINEL),
    }
    found["redis/exporter.json.j2"] = {"ports": {name: one.port for name, one in estate.redis.redis_instances.items()}}
    found["redis_backup/serve.conf.j2"] = {
        **of_redis,
        "machine": first["backup"],
        "settings": estate.redis,
        "certificate": redis_backup.certificate(estate, first["backup"]),
    }
    found["backup/repository.conf.j2"] = {
        "machine_here": first["backup"],
        "repositories": backup.repositories(estate),
        "settings": estate.backup,
        "storage_ca": backup.STORAGE_CA,
    }
    found["postgres/patroni.yml.j2"] = {
        "machine": first["postgres"],
        "etcd_members": estate.members("etcd"),
        "etcd_port": etcd_plan.CLIENT_PORT,
        "etcd_user": "patroni",
        "etcd_client": postgres_plan.ETCD_CLIENT,
        "client": postgres_plan.patroni_client_certificate(first["postgres"]),
        "certificate": postgres_plan.server_certificate(estate, first["postgres"]),
        "replicator": postgres_plan.REPLICATOR,
        "rewind": postgres_plan.REWIND,
        "createcluster": postgres_plan.CREATECLUSTER,
        "dynamic": dynamic(estate),
        "port": postgres_plan.PORT,
        "rest_port": postgres_plan.REST_PORT,
        "watchdog": False,
        "watchdog_device": postgres_plan.WATCHDOG,
        "tuned": {"shared_buffers": "128MB"},
    }
    return found


def own_value(value: str, reference: Any) -> str:
    """The secret's own hostile value: what is misread must not be mistaken for another secret's."""
    name = getattr(reference, "name", reference)
    return f"{value}{hashlib.sha256(name.encode()).hexdigest()[:8]}{value}"


def rendered(estate: Any, template: str, value: str, make: Callable[[str, Any], str] = own_value) -> tuple[str, dict]:
    """The file's text, and the value of each secret in it. Raises NotCarried when the format can't carry it."""
    used: dict[str, str] = {}

    def secret(reference: Any) -> str:
        used[getattr(reference, "name", reference)] = made = make(value, reference)
        return made

    return runtime.fill(template, {"estate": estate, **contexts(estate)[template], "secret": secret}), used


def words_of_redis(line: str) -> list[str]:
    """The words of a line as Redis takes it apart (sdssplitargs)."""
    found = []
    for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|(\S+)', line):
        found.append(bare or re.sub(r"\\(.)", r"\1", quoted))
    return found
