"""What can be known without any service."""

import hashlib
import json
import logging

import pytest

from xteam import revisions
from xteam.api import assets
from xteam.log import JsonFormatter, accept_request_id, request_id
from xteam.security import hash_password, verify_password
from xteam.tasks import BY_NAME
from xteam.upstream import LONGEST_PAUSE, pause_before
from xteam.worker import app


def test_passwords() -> None:
    stored = hash_password("one")
    assert stored != hash_password("one")
    assert verify_password("one", stored)
    assert not verify_password("two", stored)


@pytest.mark.parametrize("offered", [None, "", "a b", "x" * 65, "a\nb", "*/ DROP TABLE users"])
def test_an_unfit_request_id_is_replaced(offered: str | None) -> None:
    assert accept_request_id(offered) not in (offered, "")


def test_a_log_line_is_one_json_object() -> None:
    request_id.set("abc-1")
    record = logging.LogRecord("xteam", logging.INFO, "", 0, 'two\nlines and "quotes"', None, None)
    record.data = {"status": 200}
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["request_id"], found["status"], found["level"]) == ("abc-1", 200, "INFO")


def test_assets_are_named_after_what_is_in_them() -> None:
    assert assets.assets()
    for name, path in assets.assets().items():
        digest = hashlib.sha256((assets.DIRECTORY / path.rpartition("/")[2]).read_bytes()).hexdigest()[:12]
        stem, suffix = name.split(".")
        assert path == f"/static/{stem}.{digest}.{suffix}"


def test_pauses_grow_and_are_bounded() -> None:
    assert pause_before(2) <= 0.2
    assert 0.2 <= pause_before(4) <= 0.8
    assert pause_before(50) <= LONGEST_PAUSE


def test_there_is_one_head() -> None:
    assert revisions.head() == revisions.known()[0]
    assert len(revisions.known()) >= 3
    assert revisions.known()[-1] == "0001"


def test_every_task_that_can_be_asked_for_or_is_scheduled_exists() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled | {task.name for task in BY_NAME.values()} <= set(app.tasks)


def test_slow_work_has_a_queue_of_its_own() -> None:
    assert app.amqp.router.route({}, "xteam.slow")["queue"].name == "slow"
    assert app.amqp.router.route({}, "xteam.ok")["queue"].name == "default"
    assert len({(queue.exchange.name, queue.routing_key) for queue in app.amqp.queues.values()}) == 2, (
        "both get everything"
    )
