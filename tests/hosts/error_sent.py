"""Run as root on a host of the application by test_app_errors.py: sends an event with what each process runs with, to
where it would; prints {unit: the answer, its release, its environment}.

PROCESSES, {unit: process id}, and ACCOUNT, whose processes may reach the tracker, are put before it. By no library:
whatever the application is written with, its tracker is spoken to like this.
"""

import json
import os
import pwd
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

MESSAGE = "verification of the error tracking, no error"


def environment_of(process):
    """As the process has it, and not as a file says."""
    words = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def send(dsn, release, environment):
    """Status of the answer, or why there is none."""
    parts, name = urlsplit(dsn), uuid4().hex
    path, _, project = parts.path.rpartition("/")
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}/api/{project}/envelope/"
    event = {"event_id": name, "level": "info", "platform": "python", "message": MESSAGE}
    event |= {"release": release, "environment": environment}
    envelope = [{"event_id": name}, {"type": "event"}, event]
    key = f"Sentry sentry_version=7, sentry_client=xteam-verify/1, sentry_key={parts.username}"
    headers = {"X-Sentry-Auth": key, "Content-Type": "application/x-sentry-envelope"}
    body = "\n".join(map(json.dumps, envelope)).encode()
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - where the application itself sends
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return f"no answer: {error}"


found = {}
environments = {unit: environment_of(process) for unit, process in globals()["PROCESSES"].items()}
os.seteuid(pwd.getpwnam(globals()["ACCOUNT"]).pw_uid)
for unit, its in environments.items():
    dsn, release, environment = (its.get(name, "") for name in ("SENTRY_DSN", "RELEASE", "ENVIRONMENT"))
    answer = send(dsn, release, environment) if dsn else "nothing: it has no SENTRY_DSN"
    found[unit] = {"answer": answer, "release": release, "environment": environment}
print(json.dumps(found))
