"""Tasks that failed for good, kept in a list beside the queues until somebody looks at them.

`watch` records them in the worker; the command lists, replays and drops them:

    xteam-deadletters list
    xteam-deadletters replay ID ...
"""

import argparse
import json
import logging
import socket
import sys
import time
from typing import Any

from celery import Celery
from celery.app.utils import find_app
from celery.signals import task_failure, task_rejected, task_unknown
from xteam_runtime import broker, settings

log = logging.getLogger(__name__)
TRACEBACK_CHARACTERS = 4000
# A record shares the queue's memory; larger arguments are left out, and the task can't be replayed from here.
ARGUMENT_CHARACTERS = 32_768


# --- In the worker


def watch() -> None:
    """Record from now on what fails in this worker. A task that will be retried has not failed yet."""
    task_failure.connect(_failed, weak=False)
    task_unknown.connect(_unknown, weak=False)
    task_rejected.connect(_rejected, weak=False)


def _failed(sender: Any, task_id: str, exception: object, args: Any, kwargs: Any, einfo: Any, **_: Any) -> None:
    request = sender.request
    route = getattr(request, "delivery_info", None) or {}
    _keep(
        sender.app,
        {
            "id": task_id,
            "task": sender.name,
            **_arguments(args, kwargs),
            "error": repr(exception)[:TRACEBACK_CHARACTERS],
            "traceback": str(getattr(einfo, "traceback", ""))[-TRACEBACK_CHARACTERS:],
            "retries": getattr(request, "retries", 0) or 0,
            "queue": route.get("routing_key"),
        },
    )


def _unknown(sender: Any, name: str, id: str, message: Any, exc: object, **_: Any) -> None:
    args, kwargs = _body(message)
    error = f"no such task in this release: {exc!r}"
    queue = (message.delivery_info or {}).get("routing_key")
    _keep(sender.app, {"id": id, "task": name, **_arguments(args, kwargs), "error": error, "queue": queue})


def _rejected(sender: Any, message: Any, exc: object, **_: Any) -> None:
    queue = (message.delivery_info or {}).get("routing_key")
    record = {"id": message.properties.get("correlation_id"), "task": message.headers.get("task"), "queue": queue}
    _keep(sender.app, {**record, "error": f"not a task: {exc!r}", "body": str(message.body)[:TRACEBACK_CHARACTERS]})


def _body(message: Any) -> tuple[Any, Any]:
    """The arguments in a message; none when it can't be read, which may be why it has failed."""
    try:
        args, kwargs, _ = message.decode()
        return args, kwargs
    except Exception:
        return None, None


def _arguments(args: Any, kwargs: Any) -> dict[str, Any]:
    try:
        text = json.dumps([args, kwargs])
    except (TypeError, ValueError):
        text = ""
    if text and len(text) <= ARGUMENT_CHARACTERS:
        return {"args": args, "kwargs": kwargs}
    return {"args": repr(args)[:1000], "kwargs": repr(kwargs)[:1000], "shortened": True}


def _keep(app: Celery, record: dict[str, Any]) -> None:
    """A worker goes on when its dead letter can't be kept; what is left then is this log line."""
    wanted = settings.read()["dead_letters"]
    record |= {"time": time.time(), "host": socket.gethostname()}
    try:
        with broker.redis(app) as client:
            pipeline = client.pipeline()
            pipeline.lpush(wanted["key"], json.dumps(record, default=repr))
            pipeline.ltrim(wanted["key"], 0, wanted["limit"] - 1)
            pipeline.execute()
    except Exception:
        log.exception("dead letter of task %s, id %s, not kept", record["task"], record["id"])


# --- The command


def _records(client: Any, key: str) -> list[tuple[bytes, dict[str, Any]]]:
    return [(raw, json.loads(raw)) for raw in client.lrange(key, 0, -1)]


def _chosen(
    records: list[tuple[bytes, dict[str, Any]]], options: argparse.Namespace
) -> list[tuple[bytes, dict[str, Any]]]:
    if options.all == bool(options.ids):
        raise SystemExit("name the ids, or --all")
    found = [one for one in records if options.all or one[1]["id"] in options.ids]
    if missing := set(options.ids) - {record["id"] for _, record in found}:
        raise SystemExit(f"no dead letter of id {', '.join(sorted(missing))}; `list` shows them")
    return [one for one in found if not options.task or one[1]["task"] == options.task]


def _list(app: Celery, client: Any, key: str, options: argparse.Namespace) -> None:
    for _, record in _records(client, key):
        if options.json:
            print(json.dumps(record))
            continue
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record["time"]))
        print(f"{when}  {record['id']}  {record['task']}  {record['error'][:120]}")
    if not options.json:
        print(f"{client.llen(key)} dead letters", file=sys.stderr)


def _replay(app: Celery, client: Any, key: str, options: argparse.Namespace) -> None:
    for raw, record in _chosen(_records(client, key), options):
        if record.get("shortened") or "body" in record:
            print(f"{record['id']}: can't be replayed: its arguments were not kept", file=sys.stderr)
            continue
        sent = app.send_task(record["task"], record["args"], record["kwargs"], queue=record.get("queue"))
        # Removed after it was sent: better twice than lost.
        client.lrem(key, 1, raw)
        print(f"{record['id']} {record['task']}: sent again as {sent.id}")


def _drop(app: Celery, client: Any, key: str, options: argparse.Namespace) -> None:
    for raw, record in _chosen(_records(client, key), options):
        client.lrem(key, 1, raw)
        print(f"{record['id']} {record['task']}: dropped")


def main() -> int:
    """List, replay or drop the tasks that failed for good."""
    parser = argparse.ArgumentParser(prog="xteam-deadletters", description=main.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shown = commands.add_parser("list", help="newest first")
    shown.set_defaults(run=_list)
    shown.add_argument("--json", action="store_true", help="whole records, one a line")
    for run, name, text in (
        (_replay, "replay", "send them to their queues again, with a new id"),
        (_drop, "drop", "forget them"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        command.add_argument("ids", nargs="*", metavar="ID")
        command.add_argument("--all", action="store_true", help="all there are")
        command.add_argument("--task", help="only those of this task")
    options = parser.parse_args()
    wanted = settings.read()
    app = find_app(wanted["app"])
    with broker.redis(app) as client:
        options.run(app, client, wanted["dead_letters"]["key"], options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
