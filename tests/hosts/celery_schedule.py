"""Run on a worker host by test_celery.py: Beat's lock and the state of every entry of its schedule; prints JSON."""

import json

from celery.app.utils import find_app
from redbeat.schedulers import RedBeatSchedulerEntry, ensure_conf, get_redis
from xteam_runtime import settings

app = find_app(settings.read()["app"])
conf, client = ensure_conf(app), get_redis(app)
entries = {}
for name in client.smembers(conf.statics_key):
    entry = RedBeatSchedulerEntry.from_key(conf.key_prefix + name, app=app)
    every = getattr(entry.schedule, "run_every", None)
    age = entry._default_now() - entry.last_run_at
    entries[name] = {
        "age": age.total_seconds(),
        "runs": entry.total_run_count,
        "period": every.total_seconds() if every else None,
    }
declared = sorted(app.conf.beat_schedule or {})
print(json.dumps({"lock_ms": client.pttl(conf.lock_key), "entries": entries, "declared": declared}))
