"""The lab's error tracker: speaks to the SDK as Sentry does, and has two questions of Sentry's own API.

Not a real server. Bugsink, which PyPI has and which speaks to the SDK too, is read by an API of its own, so what reads
Sentry back in production would not have been tried here; and it brings Django and forty other packages, which would
need an environment of their own on every machine with a lab. Sentry itself asks for 16 GB of memory.

POST /api/1/envelope/                              as the DSN says; 403 for another key
GET  /api/0/organizations/lab/events/              query=TAG:VALUE, field=TAG (also id): the events with that tag
GET  /api/0/organizations/lab/eventids/EVENT_ID/   an event, whole

Events live in memory and are gone with the process. lab/error_tracker.py starts and ends it; tests/app uses it too.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lab.error_tracker import DSN, ORGANIZATION, TOKEN
from lab.own_server import arguments
from lab.state import STATE, secrets_file

KEPT = 5000
Event = dict[str, Any]


class Tracker(ThreadingHTTPServer):
    """Keeps the events it is sent with the right key, and shows them to whoever has the token."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], key: str, token: str):
        super().__init__(address, Handler)
        self.key, self.token = key, token
        self.events: dict[str, Event] = {}

    @property
    def dsn(self) -> str:
        return f"http://{self.key}@{self.server_address[0]!s}:{self.server_port}/1"

    def keep(self, event: Event) -> None:
        """The newest ones, in the shape Sentry's API gives them."""
        identity = event["event_id"]
        self.events[identity] = {**event, "id": identity, "eventID": identity, "tags": _tags(event)}
        while len(self.events) > KEPT:
            self.events.pop(next(iter(self.events)))

    def with_tag(self, key: str, value: str) -> Iterator[dict[str, str]]:
        """The tags of the events that have this one, and their ids."""
        for event in list(self.events.values()):
            tags = {tag["key"]: tag["value"] for tag in event["tags"]}
            if tags.get(key) == value:
                yield {**tags, "id": event["id"]}


def _tags(event: Event) -> list[dict[str, str]]:
    """Sentry makes tags of these too."""
    own = {name: event[name] for name in ("environment", "release", "level") if event.get(name)}
    return [{"key": key, "value": str(value)} for key, value in {**event.get("tags", {}), **own}.items()]


def items(envelope: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Head and content of each item. Raises ValueError when it is no envelope."""
    _, _, rest = envelope.partition(b"\n")
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        head = json.loads(line)
        length = head.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        yield head, rest[:length]
        rest = rest[length + 1 :]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Tracker

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = re.search(r"sentry_key=(\w+)", self.headers.get("X-Sentry-Auth") or "")
        if urlsplit(self.path).path != "/api/1/envelope/":
            return self._answer(404, {"detail": "no such project"})
        if key is None or not compare_digest(key[1], self.server.key):
            return self._answer(403, {"detail": "bad sentry DSN public key"})
        try:
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            events = [json.loads(content) for head, content in items(body) if head.get("type") == "event"]
        except (OSError, EOFError, ValueError) as error:
            return self._answer(400, {"detail": f"no envelope: {error}"})
        for event in events:
            self.server.keep(event)
        return self._answer(200, {"id": events[0]["event_id"]} if events else {})

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        base = f"/api/0/organizations/{ORGANIZATION}"
        if not compare_digest(self.headers.get("Authorization") or "", f"Bearer {self.server.token}"):
            return self._answer(401, {"detail": "Invalid token"})
        if asked.path == f"{base}/events/":
            return self._found(parse_qs(asked.query))
        event = self.server.events.get(asked.path.removeprefix(f"{base}/eventids/").removesuffix("/"))
        if event is None:
            return self._answer(404, {"detail": "The requested resource does not exist"})
        return self._answer(200, {"organizationSlug": ORGANIZATION, "eventId": event["id"], "event": event})

    def _found(self, query: dict[str, list[str]]) -> None:
        key, _, value = query.get("query", [""])[-1].partition(":")
        rows = [{name: row.get(name) for name in query.get("field", [])} for row in self.server.with_tag(key, value)]
        self._answer(200, {"data": rows})

    def _answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Serve until killed, by the lab's own key and token."""
    options = arguments("lab.sentry_server", "Serve until killed, by the lab's own key and token.").parse_args()
    store = json.loads(secrets_file(STATE / options.lab).read_text())
    key = urlsplit(store[DSN]).username or ""
    Tracker((options.address, options.port), key, store[TOKEN]).serve_forever()


if __name__ == "__main__":
    main()
