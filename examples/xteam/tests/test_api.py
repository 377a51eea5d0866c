"""The API with its real database and Redis."""

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator

import jwt
import pytest
from conftest import PASSWORD, Member, new_client
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from xteam import stores
from xteam.config import get_settings
from xteam.privacy import gone_from_backups
from xteam.stores import store

pytestmark = pytest.mark.services

WS = f"ws://{get_settings().ALLOWED_HOSTS[0]}/ws"


def test_health_and_readiness(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True), answer.text
    assert set(answer.json()["checks"].values()) == {"ok"}
    assert client.get("/readyz", headers={"Host": "10.0.0.1:8000"}).status_code == 200


def test_a_wrong_password_and_an_unknown_name_look_the_same(client: TestClient, member: Member) -> None:
    wrong = client.post("/auth/login", json={"name": member.name, "password": "wrong"})
    unknown = client.post("/auth/login", json={"name": "nobody-" + member.name, "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["detail"] == unknown.json()["detail"]


def test_a_token_ends_at_logout_and_in_time(client: TestClient, member: Member) -> None:
    claims = jwt.decode(member.token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == get_settings().ACCESS_TOKEN_EXPIRE_MINUTES * 60
    assert client.get("/me", headers=member.headers).json()["name"] == member.name
    assert client.post("/auth/logout", headers=member.headers).status_code == 204
    assert client.get("/me", headers=member.headers).status_code == 401
    assert 0 < store("blacklist").ttl(f"blacklist:{claims['jti']}") <= claims["exp"] - claims["iat"]


@pytest.mark.parametrize("change", [{"exp": 1}, {"sub": "1 or 1"}])
def test_a_bad_token_is_refused(client: TestClient, member: Member, change: dict) -> None:
    claims = jwt.decode(member.token, options={"verify_signature": False})
    key = get_settings().SECRET_KEY.get_secret_value()
    for token in (
        jwt.encode(claims, "a key that somebody guessed, long enough", "HS256"),
        jwt.encode(claims, None, "none"),
        jwt.encode(claims | change, key, "HS256"),
    ):
        assert client.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_foreign_hosts_and_origins_are_refused(client: TestClient) -> None:
    assert client.get("/statistics", headers={"Host": "evil.example"}).status_code == 400
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    refused = client.options("/statistics", headers=preflight)
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


def test_the_request_after_the_limit_is_refused_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("rate_limit_enabled", "true")
    monkeypatch.setenv("rate_limit_requests_per_minute", "3")
    client = new_client()
    assert [client.get("/statistics").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/no-such-page")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-Request-ID"] == refused.json()["request_id"]
    assert client.get("/healthz").status_code == 200
    assert new_client().get("/statistics").status_code == 200


def test_documentation_only_outside_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = ("/docs", "/redoc", "/openapi.json")
    monkeypatch.setenv("ENVIRONMENT", "test")
    assert [new_client().get(page).status_code for page in pages] == [200] * 3
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("SECRET_KEY", "kT3v9QzR7mXw1LpY5sBd8NfG2hJc6VaE0uIo4yHx")
    monkeypatch.setenv("DEBUG", "false")
    assert [new_client().get(page).status_code for page in pages] == [404] * 3


def test_an_error_tells_the_request_id_and_nothing_else(client: TestClient, member: Member, staff: Member) -> None:
    assert client.get("/debug/error", headers=member.headers).status_code == 403
    answer = client.get("/debug/error", headers=staff.headers | {"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.json() == {"detail": "internal error", "request_id": "find-me"}
    assert answer.headers["X-Request-ID"] == "find-me"


def test_an_invalid_body_is_not_repeated(client: TestClient) -> None:
    answer = client.post("/auth/login", json={"name": 1, "password": ["tell-nobody"]})
    assert answer.status_code == 422
    assert "tell-nobody" not in answer.text


def test_uploads_up_to_the_limit(client: TestClient, member: Member) -> None:
    limit = get_settings().max_upload_bytes
    full = b"x" * limit
    made = client.post("/uploads?name=full.bin", content=full, headers=member.headers)
    assert (made.status_code, made.json()["sha256"]) == (201, hashlib.sha256(full).hexdigest())
    assert client.get(f"/uploads/{made.json()['id']}", headers=member.headers).content == full
    assert client.post("/uploads", content=full + b"x", headers=member.headers).status_code == 413
    in_pieces = (b"x" * (limit // 2 + 1) for _ in range(2))  # no Content-Length
    assert client.post("/uploads", content=in_pieces, headers=member.headers).status_code == 413
    assert len(list(get_settings().UPLOAD_DIR.rglob("*.*"))) == 0, "a refused upload left something behind"


def test_others_do_not_see_my_upload(client: TestClient, member: Member, staff: Member) -> None:
    made = client.post("/uploads", content=b"mine", headers=member.headers).json()
    assert client.get(f"/uploads/{made['id']}", headers=staff.headers).status_code == 404


def test_cached_reads_are_dropped_by_a_change(client: TestClient, member: Member) -> None:
    def read() -> tuple[str, int]:
        answer = client.get("/workspaces", headers=member.headers)
        return answer.headers["X-Cache"], len(answer.json())

    assert [read(), read()] == [("miss", 0), ("hit", 0)]
    assert client.post("/workspaces", json={"name": "plan"}, headers=member.headers).status_code == 201
    assert [read(), read()] == [("miss", 1), ("hit", 1)]


def test_export_and_erase(client: TestClient, member: Member) -> None:
    client.post("/uploads?name=a.txt", content=b"mine", headers=member.headers)
    client.post("/workspaces", json={"name": "plan"}, headers=member.headers)
    copy = client.get("/me/export", headers=member.headers).json()
    assert copy["user"]["name"] == member.name
    assert [len(copy[part]) for part in ("uploads", "workspaces", "sessions")] == [1, 1, 1]
    assert "login" in [event["action"] for event in copy["audit"]]

    assert copy["backups_keep_days"] == get_settings().BACKUP_RETENTION_DAYS
    said = client.delete("/me", headers=member.headers).json()
    assert said["erased"] == {"tokens": 1, "files": 2}
    assert said["gone_from_backups"] == gone_from_backups()
    assert client.get("/me", headers=member.headers).status_code == 401
    assert client.post("/auth/login", json={"name": member.name, "password": PASSWORD}).status_code == 401
    assert not list(get_settings().UPLOAD_DIR.glob("*"))
    assert not list(store("sessions").scan_iter(f"session:user:{member.id}"))


def test_websocket(client: TestClient, member: Member) -> None:
    with client.websocket_connect(WS, headers=member.headers) as socket:
        socket.send_text("ping")
        assert socket.receive_text() == "pong"
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
        client.post("/auth/logout", headers=member.headers)
        socket.send_text("still there?")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 4401


def test_websocket_of_a_browser(client: TestClient, member: Member) -> None:
    with client.websocket_connect(WS, subprotocols=["bearer", member.token]) as socket:
        assert socket.accepted_subprotocol == "bearer"
        socket.send_text("ping")
        assert socket.receive_text() == "pong"


def test_websocket_without_token(client: TestClient) -> None:
    with client.websocket_connect(WS) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    assert closed.value.code == 4401


class Moody(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses in `moods`, one after the other; 0 stands for silence."""

    moods: list[int]

    def do_GET(self) -> None:
        mood = self.moods.pop(0)
        if mood:
            self.send_response(mood)
            self.end_headers()
            self.wfile.write(b"answer")
        else:
            time.sleep(1.5)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Moody]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("UPSTREAM_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("UPSTREAM_TIMEOUT_SECONDS", "0.5")
    monkeypatch.setenv("UPSTREAM_MAX_RETRIES", "2")
    get_settings.cache_clear()
    yield Moody
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("moods", "status", "attempts"),
    [([200], 200, 1), ([503, 0, 200], 200, 3), ([404], 200, 1), ([0, 0, 0], 504, 3), ([503, 503, 503], 504, 3)],
)
def test_upstream(client, member, moody, moods: list[int], status: int, attempts: int) -> None:
    moody.moods = list(moods)
    started = time.monotonic()
    answer = client.get("/upstream", headers=member.headers)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body if status == 200 else body["detail"])["attempts"] == attempts
    assert time.monotonic() - started < 3


def test_metrics(client: TestClient, member: Member) -> None:
    client.get("/me", headers=member.headers)
    with client.websocket_connect(WS, headers=member.headers):
        pass  # the client leaves
    client.get("/no-such-page")
    text = client.get("/metrics").text
    assert 'xteam_http_request_duration_seconds_count{method="GET",route="/me",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert 'xteam_websocket_connections_total{code="1000"}' in text
    assert "no-such-page" not in text
    assert 'xteam_token_blacklist_operations_total{operation="check",result="valid"}' in text
    assert "xteam_token_blacklist_size " in text
    assert "xteam_rate_limited_requests_total" in text


def test_wrong_passwords_are_limited_by_account_and_by_address(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one account over many addresses, and of one address over many accounts; the others go on."""
    monkeypatch.setattr(stores, "WRONG_PASSWORDS_OF_ACCOUNT", 3)
    monkeypatch.setattr(stores, "WRONG_PASSWORDS_OF_ADDRESS", 5)

    def attempt(client: TestClient, name: str, password: str = "wrong") -> int:  # noqa: S107 - a wrong one
        return client.post("/auth/login", json={"name": name, "password": password}).status_code

    assert [attempt(new_client(), member.name) for _ in range(4)] == [401, 401, 401, 429]
    assert attempt(new_client(), member.name, PASSWORD) == 429, "the right password is found out by guessing on"
    one = new_client()
    assert [attempt(one, f"nobody-{number}-{member.name}") for number in range(6)] == [401] * 5 + [429]


def test_a_good_login_is_counted_as_no_guess(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "WRONG_PASSWORDS_OF_ACCOUNT", 2)
    monkeypatch.setattr(stores, "WRONG_PASSWORDS_OF_ADDRESS", 2)
    one = new_client()
    given = {"name": member.name, "password": PASSWORD}
    assert [one.post("/auth/login", json=given).status_code for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("word", ["%00", "a%00b", "%1f", "..", "a%2fb", "a%5cb", "%ed%a0%80", "%e2%80%ae", "x" * 201])
def test_names_that_nothing_can_hold_are_refused(client: TestClient, member: Member, word: str) -> None:
    assert client.post(f"/uploads?name={word}", content=b"x", headers=member.headers).status_code in (400, 201)
    if word != "%ed%a0%80":  # decoded as replacement characters, which are printable
        assert client.post(f"/uploads?name={word}", content=b"x", headers=member.headers).status_code == 400
    for path in ("/uploads/", "/tasks/"):
        assert client.get(path + word, headers=member.headers).status_code in (400, 404, 405)
    assert client.post(f"/tasks/{word}", headers=member.headers).status_code in (400, 404, 405)


@pytest.mark.parametrize("word", ["\\u0000", "a\\ud800", "\\u202e"])
def test_strings_in_bodies_that_nothing_can_hold_are_refused(client: TestClient, member: Member, word: str) -> None:
    json = member.headers | {"Content-Type": "application/json"}
    for path, body in (
        ("/workspaces", f'{{"name": "{word}"}}'),
        ("/auth/login", f'{{"name": "{word}", "password": "x"}}'),
        ("/tasks/ok", f'{{"value": "{word}"}}'),
    ):
        assert client.post(path, content=body.encode(), headers=json).status_code == 422, path
    surrogate = b'{"name": "nobody", "password": "\\ud800"}'
    assert client.post("/auth/login", content=surrogate, headers=json).status_code == 422
    assert client.post("/tasks/ok", content=b'{"value": 1e999}', headers=json).status_code == 422


def test_a_task_is_its_owners(client: TestClient, member: Member, staff: Member) -> None:
    made = client.post("/tasks/ok", headers=member.headers).json()["id"]
    assert client.get(f"/tasks/{made}", headers=member.headers).status_code == 200
    assert client.get(f"/tasks/{made}", headers=staff.headers).status_code == 404
    assert client.get(f"/tasks/{'0' * 32}", headers=member.headers).status_code == 404
