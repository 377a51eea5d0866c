"""On worker hosts: a task that counts its runs (`celery worker --include xteam_drill`), and who sends thousands of it.

    xteam-run /opt/xteam/runtime/xteam_drill.py send RUN COUNT

prints number and id of each task that the queue has taken; what was refused in spite of all retries, as a comment.
One in so many is a chord: it counts when all its parts have ended and their results have been joined.

    xteam-run /opt/xteam/runtime/xteam_drill.py results < LINES

reads such lines and prints the numbers without the right result, as JSON.
"""

import json
import sys
import time

from celery import Celery, chord, shared_task
from celery.app.utils import find_app
from celery.result import AsyncResult
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from xteam.database import engine
from xteam_runtime import settings

ROW = text("INSERT INTO xteam_drill_tasks VALUES (:run, :number, clock_timestamp())")
CHORD_EACH, PARTS = 10, 3
QUEUE = {"queue": "default"}


# Without a database it is tried again. And delivered again soon after its process was killed: with the default a drill
# would wait for minutes.
TRIED_AGAIN = {"autoretry_for": (DBAPIError,), "retry_backoff": True, "retry_backoff_max": 10, "max_retries": 30}


def write_down(run: str, number: int) -> int:
    """Works a moment, then writes down that it ran."""
    time.sleep(0.02)
    with engine().begin() as connection:
        connection.execute(ROW, {"run": run, "number": number})
    return number


@shared_task(name="xteam_drill.counted", default_retry_delay=5, **TRIED_AGAIN)
def counted(run: str, number: int) -> int:
    """One number."""
    return write_down(run, number)


@shared_task(name="xteam_drill.part", default_retry_delay=5)
def part(number: int) -> int:
    """One of those that a chord waits for."""
    return number


@shared_task(name="xteam_drill.joined", default_retry_delay=5, **TRIED_AGAIN)
def joined(parts: list[int], run: str, number: int) -> int:
    """The end of a chord."""
    if sorted(parts) != list(range(PARTS)):
        raise ValueError(f"a chord of {PARTS} parts gives {parts}")
    return write_down(run, number)


def send(app: Celery, run: str, number: int) -> AsyncResult:
    """One number; a chord's last task is what its sender waits for."""
    if number % CHORD_EACH:
        return app.send_task("xteam_drill.counted", [run, number], **QUEUE)
    parts = [app.signature("xteam_drill.part", [one], options=QUEUE) for one in range(PARTS)]
    return chord(parts, app=app)(app.signature("xteam_drill.joined", [run, number], options=QUEUE))


def send_all(app: Celery, run: str, count: int) -> None:
    for number in range(count):
        try:
            print(number, send(app, run, number).id, flush=True)
        except Exception as error:  # whatever it is: the task was not taken, and its caller knows
            print(f"# {number} {error!r}", flush=True)


def without_result(app: Celery) -> list[int]:
    """Of the lines on standard input, the numbers whose result is not there."""
    taken = [line.split() for line in sys.stdin if not line.startswith("#")]
    found = {int(number): app.AsyncResult(name) for number, name in taken}
    return [number for number, one in found.items() if one.state != "SUCCESS" or one.result != number]


def main() -> None:
    app = find_app(settings.read()["app"])
    if sys.argv[1] == "send":
        send_all(app, sys.argv[2], int(sys.argv[3]))
    else:
        print(json.dumps(without_result(app)))


if __name__ == "__main__":
    main()
