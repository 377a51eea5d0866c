"""The modules that run inside the application's Celery, with a real Celery application and no broker."""

import json
import time
from pathlib import Path

import pytest
from celery import Celery

import xteam_infra.on_host

SETTINGS = {
    "app": "shop:app",
    "defaults": {"worker_prefetch_multiplier": 1, "task_acks_late": True},
    "forced": {"task_time_limit": 300, "broker_transport_options": {"visibility_timeout": 900}},
    "dead_letters": {"key": "deadletters", "limit": 10},
}


class Wanted:
    """An application's own configuration."""

    broker_url = "rediss://queue.example:6381/0"
    worker_prefetch_multiplier = 4
    task_time_limit = 5
    task_default_queue = "orders"
    _private = "never a setting"


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """The operator's modules, importable as on a host, with SETTINGS in their file."""
    monkeypatch.syspath_prepend(str(Path(xteam_infra.on_host.__file__).parent))
    file = tmp_path / "celery.json"
    file.write_text(json.dumps(SETTINGS))
    monkeypatch.setenv("XTEAM_CELERY_SETTINGS", str(file))
    monkeypatch.setenv("CELERY_LOADER", "xteam_runtime.loader:Loader")
    from xteam_runtime import settings

    settings.read.cache_clear()
    yield settings
    settings.read.cache_clear()


@pytest.fixture
def app(settings):
    made = Celery("shop", set_as_current=False)
    made.config_from_object(Wanted)
    return made


def test_defaults_hold_where_the_application_says_nothing(app):
    assert app.conf.task_acks_late is True
    assert app.conf.worker_prefetch_multiplier == 4
    assert app.conf.task_default_queue == "orders"


def test_forced_settings_hold_whatever_it_says(app):
    assert app.conf.task_time_limit == 300
    assert app.conf.broker_transport_options == {"visibility_timeout": 900}


def test_beat_is_told_the_broker(app):
    assert app.conf["redbeat_redis_url"] == Wanted.broker_url


def test_without_its_settings_celery_does_not_start(app, settings, monkeypatch):
    monkeypatch.setenv("XTEAM_CELERY_SETTINGS", "/nonexistent/celery.json")
    settings.read.cache_clear()
    with pytest.raises(RuntimeError, match=r"XTEAM_CELERY_SETTINGS=/nonexistent/celery\.json"):
        _ = app.conf.task_time_limit


def test_large_or_strange_arguments_are_shortened(settings):
    from xteam_runtime.deadletters import ARGUMENT_CHARACTERS, _arguments

    assert _arguments([1], {"a": 2}) == {"args": [1], "kwargs": {"a": 2}}
    assert _arguments(["x" * ARGUMENT_CHARACTERS], {})["shortened"] is True
    assert _arguments([object()], {})["shortened"] is True


def test_a_task_says_when_it_was_sent(app):
    from xteam_runtime import loader

    app.conf.broker_url, app.conf.broker_transport_options = "memory://", {}
    before = time.time()
    app.send_task("shop.order", queue="orders")
    with app.connection_for_read() as connection:
        message = connection.default_channel.basic_get("orders")
    assert before <= message.headers[loader.SENT] <= time.time()


@pytest.mark.parametrize("works", [True, False])
def test_a_worker_alone_sends_again_what_it_notes_for_a_chord(app, monkeypatch, works):
    from celery.backends.redis import CHORD_PART_RETURN_LUA
    from xteam_runtime import results, transport

    monkeypatch.setattr(results._Process, "works", works)
    app.conf.result_backend = "rediss://queue.xteam.lab:6381/1?ssl_cert_reqs=required"
    backend = app.backend
    assert type(backend) is results.Backend
    assert (backend.client.connection_pool.make_connection().retry.get_retries() == results.TRIES) is works
    assert issubclass(transport.NotLeading, tuple(backend.connection_errors))
    assert CHORD_PART_RETURN_LUA.count(results.CLAIM) == 1, "Celery claims a chord's end in other words now"
    assert results.OWN_CLAIM in backend._chord_part_return_script.script
