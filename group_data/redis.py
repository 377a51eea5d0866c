"""Redis: one instance per role on every host of group redis, replicated under Sentinel where there are several."""

from xteam_infra.secrets import Secret as _Secret

# port: TLS only. memory_mb: maxmemory. policy: what goes when memory is full.
# appendfsync ("everysec"): "always" answers a write when it is on the disk; otherwise a power loss of all hosts at once
# loses the last second.
# app_keys, app_channels, app_commands: what the application's user may do (docs/operations/redis.md).
# min_replicas (1), max_lag_s (3): with three hosts, writes are refused when fewer replicas were heard of in so many
# seconds. That is the most a cut-off master goes on acknowledging.
# A role of your own is one more entry; queue and blacklist must be "noeviction" and append-only.
redis_instances = {
    "cache": {
        "port": 6380,
        "memory_mb": 256,
        "policy": "allkeys-lru",
        "app_keys": ("cache:*", "rate:*"),
        "min_replicas": 0,  # may be lost, so it never refuses writes
        "backup": False,
    },
    "queue": {
        "port": 6381,
        "memory_mb": 128,
        "policy": "noeviction",
        "appendfsync": "always",
        "databases": 2,  # 0: Celery's queues, 1: results
        "app_channels": ("*",),
        "app_commands": ("+info", "+keys"),
    },
    "sessions": {
        "port": 6382,
        "memory_mb": 64,
        "policy": "volatile-ttl",
        "app_keys": ("session:*",),
    },
    "blacklist": {
        "port": 6383,
        "memory_mb": 64,
        "policy": "noeviction",
        "appendfsync": "always",
        "app_keys": ("blacklist:*",),
    },
}

# Memory the host plan counts per byte of maxmemory: pages written while a snapshot runs are copied (2 = all of them).
redis_fork_headroom = 1.5

# Sentinel: its port, the silence (ms) after which a master is dead, and the wait (ms) before a second try.
redis_sentinel_port = 26379
redis_down_after_ms = 3000
redis_failover_timeout_ms = 30000
# How long a replica whose host has just started waits for its master before it may take its place.
redis_boot_grace_seconds = 60

# Snapshots: taken by the backup host from a replica, encrypted by restic. The password is a name in the secrets store.
redis_backup_path = "/var/lib/xteam/redis-backup"
redis_backup_encryption_key = _Secret("redis/backup-cipher")
redis_backup_schedule = "hourly"
redis_backup_keep = {"hourly": 48, "daily": 14, "weekly": 8}
redis_backup_seconds = 1800  # the longest a step may take

# The newest ones are copied into the bucket of group_data/backup.py (backup_s3_bucket), when there is one, with the
# same access key; under a password of their own. What is expired there stays, hidden, until its lock ends.
redis_backup_s3_encryption_key = _Secret("redis/backup-s3-cipher")
redis_backup_s3_schedule = "*:20"
redis_backup_s3_keep = {"hourly": 24, "daily": 30, "weekly": 13}

# When the newest ones are restored into a scratch instance and counted.
redis_backup_restore_test_schedule = "Sun 03:30"

# The checks complain when the newest snapshot, or the newest proof, is older.
redis_backup_max_age_minutes = 130
redis_backup_s3_max_age_minutes = 200
redis_backup_restore_test_max_age_days = 8

# On the backup host: where a snapshot is offered to the Redis hosts while a restore runs (docs/runbooks).
redis_restore_port = 6390
