"""Run on a worker host by test_celery.py: one look at all workers, one task of each sort; prints JSON.

Put before it are MARK, a word that marks the tasks of this run, and NODES, the workers there must be.
"""

import json
import os
import signal
import socket
import time

from celery.app.utils import find_app
from xteam_runtime import settings

app = find_app(settings.read()["app"])
app.loader.import_default_modules()
mark = globals()["MARK"]
elsewhere = []


def where(task):
    """The node that works on a task, and its process there; nothing when it waits or has ended."""
    for node, tasks in (look.active() or {}).items():
        for one in tasks:
            if one["id"] == task.id:
                return node, one["worker_pid"]
    return None


def deaf_task():
    """A task whose process, on this host, is stopped: it can't hear the soft limit, only being killed can end it."""
    for _ in range(10):
        task = app.send_task("xteam.slow", [30], soft_time_limit=3, time_limit=4, queue="default")
        while not task.ready() and not (found := where(task)):
            pass
        if not task.ready() and found[0].endswith(f"@{socket.gethostname()}"):
            os.kill(found[1], signal.SIGSTOP)
            if not task.ready():
                return task
            os.kill(found[1], signal.SIGCONT)  # the answer was old: its soft limit has ended it
        elsewhere.append(task.id)  # while it runs there, the next one comes here
    raise SystemExit("no worker of this host takes a task of the default queue")


started = time.time()
sent = {
    "ok": app.send_task("xteam.ok", [mark], queue="default"),
    "retried": app.send_task("xteam.retried", [2]),
    "soft": app.send_task("xteam.slow", [30], soft_time_limit=1, time_limit=20, queue="slow"),
    "failing": app.send_task("xteam.failing", [mark]),
}
# Of everybody, strangers too; asked again while one that connects anew is missing.
ping, until = {}, time.monotonic() + 30
while not ping.keys() >= set(globals()["NODES"]) and time.monotonic() < until:
    ping |= app.control.inspect(timeout=2).ping() or {}
# With the nodes named, an answer is complete as soon as all have spoken.
look = app.control.inspect(destination=list(ping), timeout=10)
sent["hard"] = deaf_task()
seen = {"ping": ping, "stats": look.stats(), "queues": look.active_queues(), "conf": look.conf()}
seen["declared"] = [queue.name for queue in app.conf.task_queues or ()]
seen["retries"] = app.tasks["xteam.retried"].max_retries
seen["elsewhere"] = elsewhere
deadline = time.monotonic() + 40
while time.monotonic() < deadline and not all(one.ready() for one in sent.values()):
    time.sleep(0.1)
ended = sent["retried"].date_done
seen["retried_seconds"] = ended.timestamp() - started if ended else 0
seen["tasks"] = {
    name: {"id": one.id, "state": one.state, "result": one.result if one.successful() else repr(one.result)}
    for name, one in sent.items()
}
print(json.dumps(seen, default=str))
