"""Rules of the redis layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.settings.redis import RedisSettings
from xteam_infra.settings.stored import Stored

REQUIRED = ("cache", "queue", "sessions", "blacklist")
# A task or a revoked token that is dropped to make room is an outage or a security hole nobody sees.
NEVER_LOST = ("queue", "blacklist")
# What carries a user's password, beside the file of users.
FORMATS = {"app": ("url", "env"), "router": ("redis", "haproxy"), "exporter": ("json",), "sentinel": ("sentinel",)}


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.redis
    for role in REQUIRED:
        if role not in settings.redis_instances:
            yield settings.problem(f"redis_instances.{role}", None, "this role: the application needs it")
    yield from _lossy(settings)
    yield from _ports(settings)
    yield from _lags(settings)
    members = len(estate.members("redis"))
    if members and members % 2 == 0:
        yield Problem(
            estate.inventory,
            "redis",
            f"{members} hosts",
            "1, 3 or 5: of an even number of Sentinels one half can't decide without the other",
        )


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    settings = estate.redis
    if not estate.members("redis"):
        return
    for name in settings.password_names():
        yield Stored(name, ("line", *FORMATS.get(name.split("/")[-1], ("redis",))))
    if estate.members("backup"):
        yield Stored(settings.redis_backup_encryption_key.name)
        if estate.backup.bucket:
            yield Stored(settings.redis_backup_s3_encryption_key.name)


def _lossy(settings: RedisSettings) -> Iterator[Problem]:
    for role in NEVER_LOST:
        instance = settings.redis_instances.get(role)
        if instance and instance.policy != "noeviction":
            key = f"redis_instances.{role}.policy"
            yield settings.problem(key, instance.policy, '"noeviction": what is evicted here is lost unnoticed')
        if instance and not instance.appendonly:
            key = f"redis_instances.{role}.appendonly"
            yield settings.problem(key, False, "True: a restart would lose what was acknowledged")


def _ports(settings: RedisSettings) -> Iterator[Problem]:
    taken = {settings.redis_sentinel_port: "redis_sentinel_port"}
    for role, instance in settings.redis_instances.items():
        key = f"redis_instances.{role}.port"
        if other := taken.get(instance.port):
            yield settings.problem(key, instance.port, f"a port of its own; {other} has this one")
        taken.setdefault(instance.port, key)


def _lags(settings: RedisSettings) -> Iterator[Problem]:
    for role, instance in settings.redis_instances.items():
        if instance.min_replicas and instance.max_lag_s * 1000 > settings.redis_down_after_ms:
            allowed = (
                f"at most redis_down_after_ms ({settings.redis_down_after_ms}): else two masters take writes at once"
            )
            yield settings.problem(f"redis_instances.{role}.max_lag_s", instance.max_lag_s, allowed)
