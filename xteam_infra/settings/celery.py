"""Settings of the celery layer: workers, Beat, and how tasks are delivered."""

import re
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from xteam_infra.settings.app import OBJECT
from xteam_infra.settings.model import LayerSettings

INSTANCE = re.compile(r"^[a-z0-9]{1,16}$")
QUEUE = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")


class CeleryWorker(BaseModel):
    """One worker unit, on every host of group worker."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    queues: tuple[str, ...] = Field(min_length=1)
    """Queues it takes tasks from."""
    concurrency: int = Field(ge=1, le=64)
    """Tasks it works on at once at most, each in a process of its own."""
    min_concurrency: int | None = Field(default=None, ge=1, le=64)
    """Processes it keeps when little is to be done; more come while tasks wait. None: all, always."""

    @property
    def least(self) -> int:
        """Processes it always has."""
        return self.min_concurrency or self.concurrency

    @model_validator(mode="after")
    def _bounds(self) -> "CeleryWorker":
        if self.least > self.concurrency:
            raise ValueError(f"min_concurrency of at most concurrency ({self.concurrency}), not {self.min_concurrency}")
        return self

    @field_validator("queues")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in value if not QUEUE.match(name)]:
            raise ValueError(f"queue names of letters, digits, _ . and -, not {wrong}")
        return value


class CelerySettings(LayerSettings):
    """group_data/celery.py"""

    layer: ClassVar[str] = "celery"

    celery_app: str = Field("xteam.worker:app", pattern=OBJECT)
    """The Celery application."""
    celery_workers: dict[str, CeleryWorker] = Field(
        default_factory=lambda: {
            "1": CeleryWorker(queues=("default",), concurrency=2, min_concurrency=1),
            "2": CeleryWorker(queues=("slow", "default"), concurrency=1),
        },
        min_length=1,
    )
    """The worker units of each host: xteam-worker@NAME. While one restarts the others go on."""
    celery_worker_memory_mb: int = Field(384, ge=128)
    """Memory (MiB) each worker unit may use: at least 85 for itself and 60 for each process."""
    celery_worker_cpu_percent: int | None = Field(None, ge=10, le=6400)
    """CPU time each worker unit may use, in percent of one core; None: no bound but the host's."""
    celery_tasks_max: int = Field(128, ge=16, le=8192)
    """Threads and processes each worker unit may have."""
    celery_max_tasks_per_child: int = Field(500, ge=1)
    """Tasks after which a process is replaced, so that leaked memory comes back."""
    celery_prefetch_multiplier: int = Field(1, ge=1, le=64)
    """Tasks a process takes beyond the one it works on; more makes short tasks faster and long ones wait unfairly."""
    celery_task_soft_time_limit_seconds: int = Field(240, ge=1)
    """Running time after which a task is told to end (SoftTimeLimitExceeded)."""
    celery_task_time_limit_seconds: int = Field(300, ge=2)
    """Running time after which its process is killed. A restart waits so long for running tasks."""
    celery_visibility_timeout_seconds: int = Field(900, ge=30)
    """After how long others get the tasks of a worker that stays away. No ETA, countdown or retry may be longer."""
    celery_publish_retries: int = Field(30, ge=0, le=1000)
    """Attempts to enqueue a task while the queue has no master, at most a second apart. 30 outlast a failover."""
    celery_beat_lock_seconds: int = Field(15, ge=5, le=300)
    """Beat's lock: when the leader has died, another host's Beat takes over after so long."""
    celery_beat_interval_seconds: int = Field(3, ge=1, le=60)
    """Longest sleep of Beat between two looks at its schedule; the lock is renewed then."""
    celery_beat_memory_mb: int = Field(192, ge=64)
    """Memory (MiB) Beat may use."""
    celery_dead_letters_max: int = Field(5000, ge=100, le=1_000_000)
    """Failed tasks kept for inspection and replay; the oldest go first. They take memory of the queue's Redis."""
    celery_autoscale_seconds: int = Field(20, ge=5, le=3600)
    """How long a worker's additional processes stay after the last task came in."""
    celery_liveness_seconds: int = Field(120, ge=30, le=3600)
    """How often each worker is sent a task that it alone can run; one that runs neither it nor a second one is
    restarted."""
    celery_metrics_seconds: int = Field(60, ge=15, le=300)
    """How often the metrics of queues, workers and Beat are taken for Prometheus."""
    dead_letters: Literal["list", "replay", "purge"] = Field("list", exclude=True)
    """Only for tasks/dead_letters.py, as --data dead_letters=replay: what becomes of failed tasks."""
    ids: str | None = Field(None, exclude=True)
    """Only for tasks/dead_letters.py, as --data ids=ID,ID or ids=all: which ones."""
    task: str | None = Field(None, exclude=True)
    """Only for tasks/dead_letters.py, as --data task=xteam.mail: of those, only this task's."""

    @field_validator("celery_workers")
    @classmethod
    def _instances(cls, value: dict[str, CeleryWorker]) -> dict[str, CeleryWorker]:
        if wrong := [name for name in value if not INSTANCE.match(name)]:
            raise ValueError(f"names of at most 16 of a-z and 0-9, not {wrong}")
        return value
