"""What the application itself wants of Celery. How it is run (prefetch, time limits, visibility, redelivery) is the
operator's, added through CELERY_LOADER; so nothing may be set on the app after this."""

from datetime import timedelta

from celery.schedules import crontab
from kombu import Exchange, Queue

from xteam.config import get_settings

broker_url = get_settings().CELERY_BROKER_URL.get_secret_value()
result_backend = get_settings().CELERY_RESULT_BACKEND.get_secret_value()
result_expires = 3600  # seconds

task_serializer = result_serializer = "json"
accept_content = ["json"]
timezone = "UTC"
imports = ["xteam.tasks"]

task_default_queue = "default"
# Each with an exchange of its own name: left out, it is the default queue's, and every message reaches both queues.
task_queues = [Queue(name, Exchange(name), routing_key=name) for name in ("default", "slow")]
task_routes = {"xteam.slow": {"queue": "slow"}, "xteam.cleanup_workspaces": {"queue": "slow"}}

beat_schedule = {
    # A heartbeat that waited in the queue for longer than its own period says nothing any more.
    "heartbeat": {"task": "xteam.heartbeat", "schedule": timedelta(seconds=30), "options": {"expires": 30}},
    "cleanup-workspaces": {"task": "xteam.cleanup_workspaces", "schedule": crontab(hour="3", minute="30")},
}
