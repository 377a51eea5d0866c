"""Settings of the redis layer."""

import re
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from xteam_infra.settings.redis_backup import RedisBackupSettings

Policy = Literal[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]
ROLE_NAME = re.compile(r"^[a-z][a-z0-9]{0,15}$")
RESERVED = "sentinel"  # Sentinel's own directory, certificate and secrets
USERS = ("admin", "app", "backup", "exporter", "replica", "router", "sentinel")
SENTINEL_USERS = ("admin", "app", "backup", "exporter", "router", "sentinel")
BACKLOG_SHARE = 16  # one part in so many of maxmemory is the replicas' backlog
RULE = re.compile(r"^[+-][a-z@|_-]+$")


class RedisInstance(BaseModel):
    """One role: an instance of its own on every host of group redis."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    port: int = Field(ge=1024, le=65535)
    """TLS port; there is no plaintext port."""
    memory_mb: int = Field(ge=16, le=1_000_000)
    """maxmemory in MiB, a sixteenth of it the replicas' backlog. The host plan adds redis_fork_headroom."""
    policy: Policy
    """What is evicted when memory is full. "noeviction": writes are refused instead."""
    appendonly: bool = True
    """Keep an append-only file. Without one a crash loses what came after the last snapshot."""
    appendfsync: Literal["everysec", "always"] = "everysec"
    """When the append-only file reaches the disk. "always": before a write is answered; "everysec": within a second,
    which is what a power loss of all hosts at once loses. A killed process loses nothing either way."""
    save: tuple[tuple[int, int], ...] = ((3600, 1), (300, 100), (60, 10_000))
    """Snapshots: after this many seconds with at least this many changes. Empty: none."""
    databases: int = Field(default=1, ge=1, le=16)
    """Numbered databases; Celery keeps results apart from the queue in the second one."""
    app_keys: tuple[str, ...] = ("*",)
    """Patterns of the keys the application may touch."""
    app_channels: tuple[str, ...] = ()
    """Patterns of the pub/sub channels the application may use."""
    app_commands: tuple[str, ...] = ()
    """ACL rules for the application beyond reading and writing its keys, such as "+info"."""
    min_replicas: int = Field(default=1, ge=0, le=4)
    """With three or more hosts: refuse writes when fewer replicas keep up, so that a cut-off master stops."""
    max_lag_s: int = Field(default=3, ge=2, le=60)
    """A replica that has said nothing for longer doesn't count for min_replicas. What a cut-off master still
    acknowledges for this long is lost; replicas report once a second."""

    backup: bool = True
    """Whether hourly snapshots are kept on the backup host."""

    @field_validator("app_keys", "app_channels")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not pattern or re.search(r"\s", pattern) for pattern in value):
            raise ValueError("patterns without spaces, such as cache:*")
        return value

    @field_validator("app_commands")
    @classmethod
    def _rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [rule for rule in value if not RULE.match(rule)]:
            raise ValueError(f"rules like +info, +script|load or -@dangerous, not {', '.join(wrong)}")
        return value

    @field_validator("save")
    @classmethod
    def _points(cls, value: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if any(seconds < 1 or changes < 1 for seconds, changes in value):
            raise ValueError("pairs (seconds, changes) of positive numbers")
        return value


class RedisSettings(RedisBackupSettings):
    """group_data/redis.py"""

    layer: ClassVar[str] = "redis"

    redis_instances: dict[str, RedisInstance] = Field(
        default_factory=lambda: {
            "cache": RedisInstance(
                port=6380,
                memory_mb=256,
                policy="allkeys-lru",
                app_keys=("cache:*", "rate:*"),
                min_replicas=0,
                backup=False,
            ),
            "queue": RedisInstance(
                port=6381,
                memory_mb=128,
                policy="noeviction",
                appendfsync="always",
                databases=2,
                app_channels=("*",),
                app_commands=("+info", "+keys"),
            ),
            "sessions": RedisInstance(port=6382, memory_mb=64, policy="volatile-ttl", app_keys=("session:*",)),
            "blacklist": RedisInstance(
                port=6383, memory_mb=64, policy="noeviction", appendfsync="always", app_keys=("blacklist:*",)
            ),
        }
    )
    """The roles by name. cache, queue, sessions and blacklist are what the application needs; add your own."""
    redis_fork_headroom: float = Field(default=1.5, ge=1.1, le=2.0)
    """Memory the host plan counts per byte of maxmemory: a snapshot forks, and every page written meanwhile is
    copied. 2 covers rewriting everything during one snapshot; 1.5 half of it."""
    redis_sentinel_port: int = Field(default=26379, ge=1024, le=65535)
    """TLS port of Sentinel."""
    redis_down_after_ms: int = Field(default=3000, ge=1000, le=60_000)
    """Silence after which Sentinel takes a master for dead. Lower means failovers by short pauses; at least each role's
    max_lag_s, so that a cut-off master has stopped when another takes over."""
    redis_failover_timeout_ms: int = Field(default=30_000, ge=5000, le=600_000)
    """How long Sentinel waits before it tries a failed failover again."""
    redis_boot_grace_seconds: int = Field(default=60, ge=0, le=600)
    """How long a replica whose host has just started waits for its master before it may take its place. After a power
    loss of all hosts the master's own file has all that was acknowledged; a replica's may lack the last of it."""

    @field_validator("redis_instances")
    @classmethod
    def _names(cls, value: dict[str, RedisInstance]) -> dict[str, RedisInstance]:
        if wrong := [name for name in value if not ROLE_NAME.match(name) or name == RESERVED]:
            raise ValueError(f"role names of at most 16 of a-z, 0-9, but not {RESERVED}: {', '.join(wrong)}")
        return value

    def password_names(self) -> list[str]:
        """The names in the secrets store of every password of every role and of Sentinel."""
        roles = [f"redis/{role}/{user}" for role in self.redis_instances for user in USERS]
        return [*roles, *(f"redis/{RESERVED}/{user}" for user in SENTINEL_USERS)]

    def backed_up(self) -> dict[str, RedisInstance]:
        """The roles of which snapshots are kept."""
        return {role: one for role, one in self.redis_instances.items() if one.backup}

    def quorum(self, members: int) -> int:
        """Sentinels that must agree that a master is dead: a majority of `members`."""
        return members // 2 + 1

    def live_values(self, role: str, members: int, crt: str, key: str) -> dict[str, str]:
        """What CONFIG SET can change, as CONFIG GET reports it. crt, key: paths of the role's certificate."""
        instance = self.redis_instances[role]
        return {
            "port": "0",  # no plaintext
            "tls-cert-file": crt,
            "tls-key-file": key,
            "maxmemory": str(instance.memory_mb * 1024 * 1024),
            "maxmemory-policy": instance.policy,
            "appendonly": "yes" if instance.appendonly else "no",
            "appendfsync": instance.appendfsync,
            "save": " ".join(f"{seconds} {changes}" for seconds, changes in instance.save),
            # With one or two hosts a lost replica would stop all writes.
            "min-replicas-to-write": str(instance.min_replicas if members >= 3 else 0),
            "min-replicas-max-lag": str(instance.max_lag_s),
            # A replica that was away for a short while catches up from here instead of copying everything.
            # It counts as used memory.
            "repl-backlog-size": str(max(1, instance.memory_mb // BACKLOG_SHARE) * 1024 * 1024),
            # Replicas are few: waiting for more of them to share a transfer only delays a repair.
            "repl-diskless-sync-delay": "0",
            # An instance that started with its host keeps what it was told there in its state file.
            "replica-priority": "100",
            "timeout": "0",
            "tcp-keepalive": "60",
            "maxclients": "4096",
            "slowlog-log-slower-than": "10000",
            "latency-monitor-threshold": "100",
        }
