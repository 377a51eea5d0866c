"""Figures of the queues, this host's workers and Beat: python -m xteam_runtime.metrics NAME=QUEUE,QUEUE ...

Prints them in the format of the node exporter's text files, for Prometheus. Queues, Beat and dead letters are the
estate's: each worker host tells the same.
"""

import argparse
import json
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from celery import Celery
from celery.app.utils import find_app
from kombu.exceptions import OperationalError
from redbeat.schedulers import RedBeatSchedulerEntry, ensure_conf, get_redis
from redis.exceptions import RedisError
from xteam_runtime import broker, loader, settings, worker_probe
from xteam_runtime.liveness import specification

HELP = {
    "broker_up": "Whether the queue's Redis could be asked.",
    "metrics_timestamp_seconds": "When these figures were taken.",
    "queue_length": "Tasks that wait.",
    "queue_oldest_age_seconds": "How long the task that is next has waited; 0: none waits.",
    "queue_probe_timestamp_seconds": "When a probe task of the queue was last run, by whichever worker.",
    "unacked": "Tasks that a worker has taken and not yet acknowledged.",
    "unacked_overdue_seconds": "How long the oldest of them should have been delivered again.",
    "worker_probe_timestamp_seconds": "When the worker last ran the probe that it alone could run.",
    "workers_alive": "Workers of this host that ran their probe lately.",
    "workers_wanted": "Workers that this host should have.",
    "dead_letters": "Tasks that failed for good and are kept.",
    "dead_letter_newest_timestamp_seconds": "When the newest of them failed.",
    "beat_lock_held": "Whether a Beat leads.",
    "beat_last_tick_timestamp_seconds": "When Beat last sent a task.",
    "beat_overdue_seconds": "How long the entry of the schedule that is next has been due; 0: none is.",
}
Figure = tuple[str, dict[str, str], float]


def figures(app: Celery, workers: dict[str, list[str]], alive_seconds: float) -> Iterator[Figure]:
    """Name without prefix, labels, value. Raises what the broker's client raises when the broker is away."""
    with broker.channel(app) as channel:
        now = time.time()
        ran = {queue.decode(): float(when) for queue, when in channel.client.hgetall(worker_probe.RAN).items()}
        declared = {queue.name for queue in app.conf.task_queues or ()}
        for queue in sorted(declared.union(*workers.values())):
            yield from _queue(channel, queue, now, ran.get(queue, 0))
        yield from _unacked(channel, now, app.conf.broker_transport_options["visibility_timeout"])
        yield from _workers(workers, ran, now - alive_seconds)
        yield from _dead_letters(channel.client)
    yield from _beat(app, now)


def _queue(channel: Any, queue: str, now: float, ran: float) -> Iterator[Figure]:
    keys = [channel._q_for_pri(queue, priority) for priority in channel.priority_steps]
    labels = {"queue": queue}
    yield "queue_length", labels, sum(channel.client.llen(key) for key in keys)
    oldest = [_sent(raw) for key in keys if (raw := channel.client.lindex(key, -1))]
    yield "queue_oldest_age_seconds", labels, max([0.0, *(now - sent for sent in oldest if sent)])
    yield "queue_probe_timestamp_seconds", labels, ran


def _sent(raw: bytes) -> float:
    """When a waiting task was sent; 0 if its sender did not say."""
    return float(json.loads(raw).get("headers", {}).get(loader.SENT, 0))


def _unacked(channel: Any, now: float, visibility: float) -> Iterator[Figure]:
    yield "unacked", {}, channel.client.hlen(channel.unacked_key)
    oldest = channel.client.zrange(channel.unacked_index_key, 0, 0, withscores=True)
    yield "unacked_overdue_seconds", {}, max([0.0, *(now - taken - visibility for _, taken in oldest)])


def _workers(workers: dict[str, list[str]], ran: dict[str, float], since: float) -> Iterator[Figure]:
    last = {name: ran.get(worker_probe.own_queue(f"{name}@{socket.gethostname()}"), 0) for name in workers}
    for name, when in last.items():
        yield "worker_probe_timestamp_seconds", {"worker": name}, when
    yield "workers_alive", {}, sum(when >= since for when in last.values())
    yield "workers_wanted", {}, len(workers)


def _dead_letters(client: Any) -> Iterator[Figure]:
    key = settings.read()["dead_letters"]["key"]
    yield "dead_letters", {}, client.llen(key)
    newest = client.lindex(key, 0)
    yield "dead_letter_newest_timestamp_seconds", {}, json.loads(newest)["time"] if newest else 0


def _beat(app: Celery, now: float) -> Iterator[Figure]:
    conf, client = ensure_conf(app), get_redis(app)
    yield "beat_lock_held", {}, client.exists(conf.lock_key)
    due = client.zrange(conf.schedule_key, 0, 0, withscores=True)
    yield "beat_overdue_seconds", {}, max([0.0, *(now - when for _, when in due)])
    names = client.smembers(conf.statics_key)
    entries = [entry for name in names if (entry := _entry(app, conf.key_prefix + name))]
    ticks = [entry.last_run_at.timestamp() for entry in entries if entry.total_run_count]
    yield "beat_last_tick_timestamp_seconds", {}, max(ticks, default=0)


def _entry(app: Celery, key: str) -> RedBeatSchedulerEntry | None:
    """A schedule's entry; None while its name is known and Beat has not written it (again) yet."""
    try:
        return RedBeatSchedulerEntry.from_key(key, app=app)
    except KeyError:
        return None


def written(found: list[Figure]) -> Iterator[str]:
    """The lines of the file."""
    for name, text in HELP.items():
        lines = [(labels, value) for figure, labels, value in found if figure == name]
        if lines:
            yield f"# HELP xteam_celery_{name} {text}\n# TYPE xteam_celery_{name} gauge\n"
        for labels, value in lines:
            label = ",".join(f'{key}="{said}"' for key, said in labels.items())
            yield f"xteam_celery_{name}{{{label}}} {float(value):.3f}\n".replace("{}", "")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m xteam_runtime.metrics", description=__doc__)
    parser.add_argument("workers", nargs="+", type=specification, metavar="NAME=QUEUE,QUEUE", help="of this host")
    parser.add_argument("--alive-seconds", type=float, required=True, help="a worker with a younger probe is alive")
    options = parser.parse_args()
    app = find_app(settings.read()["app"])
    found: list[Figure] = [("metrics_timestamp_seconds", {}, time.time())]
    try:
        found += [*figures(app, dict(options.workers), options.alive_seconds), ("broker_up", {}, 1)]
    except (OperationalError, RedisError, OSError) as error:
        print(f"the broker can't be reached: {error}", file=sys.stderr)
        found.append(("broker_up", {}, 0))
    print(*written(found), sep="", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
