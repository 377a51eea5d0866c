"""Celery: workers on every host of group worker, Beat, and how tasks are delivered."""

# The Celery application inside the release.
celery_app = "xteam.worker:app"

# The worker units of each host, xteam-worker@NAME. concurrency: processes at most, each with one task at a time;
# min_concurrency: those it keeps when little is to be done (without: all).
# Every queue of the application needs a worker; slow ones are better kept away from the rest.
celery_workers = {
    "1": {"queues": ("default",), "concurrency": 2, "min_concurrency": 1},
    "2": {"queues": ("slow", "default"), "concurrency": 1},
}

# Limits of each worker unit: memory (MiB), CPU (percent of one core; None: the host's), threads and processes.
celery_worker_memory_mb = 384
celery_worker_cpu_percent = None
celery_tasks_max = 128

# Tasks after which a process is replaced, and tasks it takes beyond the one it works on.
celery_max_tasks_per_child = 500
celery_prefetch_multiplier = 1

# Seconds after which a task is told to end, and after which its process is killed.
celery_task_soft_time_limit_seconds = 240
celery_task_time_limit_seconds = 300

# Seconds after which the tasks of a worker that died and does not start again are delivered to others. No task may be
# delayed (ETA, retry) for longer.
celery_visibility_timeout_seconds = 900

# Attempts to enqueue a task, at most a second apart, while the queue has no master.
celery_publish_retries = 30

# Beat: one leads, by a lock; when it dies another host's takes over after celery_beat_lock_seconds.
celery_beat_lock_seconds = 15
celery_beat_interval_seconds = 3
celery_beat_memory_mb = 192

# Failed tasks kept for inspection and replay (xteam-deadletters on a worker host).
celery_dead_letters_max = 5000

# Seconds a worker's additional processes stay after the last task came in.
celery_autoscale_seconds = 20

# Seconds between two looks at whether every worker still takes tasks (one that does not is restarted), and between
# two metrics for Prometheus.
celery_liveness_seconds = 120
celery_metrics_seconds = 60
