"""On worker hosts: a task that counts its runs (`celery worker --include xteam_drill`), and who sends thousands of it.

    xteam-run /opt/xteam/operator/xteam_drill.py RUN COUNT

prints the number of each task that the queue has taken; what was refused in spite of all retries, as a comment.
"""

import sys
import time

from celery import shared_task
from celery.app.utils import find_app
from sqlalchemy import text
from xteam.database import engine
from xteam_operator import settings

ROW = text("INSERT INTO xteam_drill_tasks VALUES (:run, :number, clock_timestamp())")


# Delivered again soon after its process was killed: with the default a drill would wait for minutes.
@shared_task(name="xteam_drill.counted", default_retry_delay=5, ignore_result=True)
def counted(run: str, number: int) -> None:
    """Works a moment, then writes down that it ran."""
    time.sleep(0.02)
    with engine().begin() as connection:
        connection.execute(ROW, {"run": run, "number": number})


def main() -> None:
    app = find_app(settings.read()["app"])
    for number in range(int(sys.argv[2])):
        try:
            app.send_task("xteam_drill.counted", [sys.argv[1], number], queue="default")
            print(number, flush=True)
        except Exception as error:  # whatever it is: the task was not taken, and its caller knows
            print(f"# {number} {error!r}", flush=True)


if __name__ == "__main__":
    main()
