"""The lab's error tracker, asked as the SDK and as the verification ask it."""

import gzip
import json
import threading
from http.client import HTTPConnection

import pytest

from lab import error_tracker, state
from lab.sentry_server import Tracker, items
from lab.state import Lab

EVENT = {"event_id": "0" * 32, "release": "r1", "environment": "production", "tags": {"request_id": "abc"}}


@pytest.fixture
def tracker():
    server = Tracker(("127.0.0.1", 0), key="right", token="opens")  # noqa: S106
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(tracker, path, body=None, **headers):
    """Status and body of the answer."""
    connection = HTTPConnection(*tracker.server_address, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST" if body else "GET", path, body, sent)
    answer = connection.getresponse()
    said = answer.status, json.loads(answer.read())
    connection.close()
    return said


def send(tracker, key="right", packed=True):
    envelope = "\n".join(
        json.dumps(part) for part in ({"event_id": EVENT["event_id"]}, {"type": "event"}, EVENT)
    ).encode()
    more = {"Content_Encoding": "gzip"} if packed else {}
    body = gzip.compress(envelope) if packed else envelope
    return ask(tracker, "/api/1/envelope/", body, X_Sentry_Auth=f"Sentry sentry_key={key}, sentry_version=7", **more)


@pytest.mark.parametrize("packed", [True, False])
def test_an_event_is_found_by_its_tag(tracker, packed):
    assert send(tracker, packed=packed) == (200, {"id": EVENT["event_id"]})
    found = "/api/0/organizations/lab/events/?field=id&field=release&query=request_id:abc"
    opened = {"Authorization": "Bearer opens"}
    assert ask(tracker, found, **opened) == (200, {"data": [{"id": EVENT["event_id"], "release": "r1"}]})
    assert ask(tracker, found.replace("abc", "abd"), **opened) == (200, {"data": []})
    status, answer = ask(tracker, f"/api/0/organizations/lab/eventids/{EVENT['event_id']}/", **opened)
    assert status == 200 and {"key": "environment", "value": "production"} in answer["event"]["tags"]


def test_strangers_are_refused(tracker):
    assert send(tracker, key="wrong")[0] == 403
    assert not tracker.events
    assert ask(tracker, "/api/0/organizations/lab/events/?query=request_id:abc")[0] == 401
    wrong = {"Authorization": "Bearer guessed"}
    assert ask(tracker, "/api/0/organizations/lab/events/?query=request_id:abc", **wrong)[0] == 401


def test_what_is_no_envelope_is_refused(tracker):
    answer = ask(tracker, "/api/1/envelope/", b"{}\nnothing\n", X_Sentry_Auth="Sentry sentry_key=right")
    assert answer[0] == 400


def test_items_with_and_without_a_length():
    envelope = b'{}\n{"type":"attachment","length":3}\na\nb\n{"type":"event"}\n{"a":1}\n'
    assert [content for _, content in items(envelope)] == [b"a\nb", b'{"a":1}']


def test_its_dsn_is_a_secret_of_the_lab_and_stays(tmp_path, monkeypatch):
    """Whoever restarts the tracker must not shut out the application that is deployed."""
    monkeypatch.setattr(state, "STATE", tmp_path)
    lab = Lab(name="demo", topology="custom", slot=7, image="i", packages="p")
    lab.directory.mkdir()
    for value in ("first", "second"):
        state.keep_secret(lab, error_tracker.DSN, value)
    kept = state.secrets_file(lab.directory)
    assert json.loads(kept.read_text()) == {error_tracker.DSN: "first"}
    assert kept.stat().st_mode & 0o777 == 0o600


def test_without_application_there_is_no_tracker():
    lab = Lab(name="demo", topology="custom", slot=7, image="i", packages="p")
    assert error_tracker.published(lab) is None
