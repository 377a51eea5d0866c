"""xteam-smoke against an application over TLS: it passes when all is well, and names the first thing that is not."""

import asyncio
import base64
import hashlib
import ssl
import threading

import pytest
from host_programs import Host

from xteam_infra.pki import Authority, Subject, make_authority

NAME = "xteam.test"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455


class Application:
    """What the smoke suite needs of one. broken: {part of a request line: (status, body)} answered instead."""

    def __init__(self, tls):
        self.broken, self.says, self.polled, self.kept, self.logged_out = {}, "pong", 0, b"", False
        self._tls, self._loop, self._ready = tls, asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        headers = {key.lower(): value for key, _, value in (one.partition(": ") for one in rest)}
        if headers.get("upgrade") == "websocket":
            await self._talk(reader, writer, headers["sec-websocket-key"].encode())
            return
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        status, said = self._answer(line, body)
        writer.write(b"HTTP/1.1 %d x\r\nX-Request-ID: r1\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said))
        await writer.drain()
        writer.close()

    def _answer(self, line, body):
        for part, answer in self.broken.items():
            if part in line:
                return answer
        if "/auth/login" in line:
            return 200, b'{"access_token": "t"}'
        if "POST /tasks" in line:
            return 202, b'{"id": 7}'
        if "GET /tasks/7" in line:
            self.polled += 1
            return 200, b'{"state": "SUCCESS"}' if self.polled > 1 else b'{"state": "PENDING"}'
        if "POST /uploads" in line:
            self.kept = body
            return 201, b'{"id": 9}'
        if "GET /uploads/9" in line:
            return 200, self.kept
        if "/auth/logout" in line:
            return 204, b""
        return 401, b"no"

    async def _talk(self, reader, writer, key):
        accept = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest())
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nX-Request-ID: r2\r\nSec-WebSocket-Accept: " + accept
        writer.write(b"HTTP/1.1 101 x\r\n" + upgrade + b"\r\n\r\n")
        await reader.readexactly(2 + 4 + len("ping"))
        said = self.says.encode()
        writer.write(bytes([0x81, len(said)]) + said + b"\x88\x00")
        await writer.drain()
        writer.close()


@pytest.fixture
def files(tmp_path):
    """The authority's certificate, and the server's with its key."""
    authority = Authority(make_authority())
    leaf = authority.issue(Subject(NAME, (NAME,)), 1)
    (tmp_path / "ca.crt").write_text(authority.pem)
    (tmp_path / "server.pem").write_text(leaf.certificate + leaf.key)
    return tmp_path


@pytest.fixture
def application(files):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files / "server.pem")
    made = Application(tls)
    yield made
    made.stop()


@pytest.fixture
def smoke(files, application, monkeypatch):
    """The program; returns its exit status. `smoke.users`: what was asked of the application's commands."""
    users = files / "users"
    (files / "manage.py").write_text(
        f"import sys, os\nopen({str(users)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "sys.exit('no database' if os.environ.get('NO_USER') else 0)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(files))
    with Host(files) as host:

        def run(*more, name=NAME):
            words = ["--connect", f"127.0.0.1:{application.port}", "--name", name, "--ca", str(files / "ca.crt")]
            return host.main("xteam_runtime.smoke", *words, "--manage", "manage", *more)

        run.users = lambda: [line.split()[0] for line in users.read_text().splitlines()]
        yield run


def test_all_is_well(smoke, application, capsys):
    assert smoke("--ids") == 0
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "log in", "task", "WebSocket", "upload", "log out", "requests",
    ]  # fmt: skip
    assert "r2" in said and smoke.users() == ["create-user", "erase"]


def test_workers_can_be_left_alone(smoke, application):
    assert smoke("--without-task") == 0 and application.polled == 0


@pytest.mark.parametrize(
    ("part", "answer", "why"),
    [
        ("/auth/login", (500, b"oh"), "log in: POST /auth/login gives 500, not 200: oh"),
        ("GET /tasks", (200, b'{"state": "FAILURE"}'), "task: a task is FAILURE"),
        ("GET /uploads", (200, b"other"), "upload: an upload can't be read back: 200"),
        ("/me", (200, b"{}"), "log out: GET /me gives 200, not 401"),
    ],
)
def test_first_fault_is_named_and_the_user_is_erased(smoke, application, capsys, part, answer, why):
    application.broken = {part: answer}
    assert smoke() == 1
    assert why in capsys.readouterr().err and smoke.users()[-1] == "erase"


def test_websocket_that_says_something_else_is_a_fault(smoke, application, capsys):
    application.says = "what"
    assert smoke() == 1
    assert "WebSocket: the WebSocket answers 'what' to ping" in capsys.readouterr().err


def test_certificate_of_another_name_is_a_fault(smoke, capsys):
    assert smoke(name="other.test") == 1
    assert "log in: SSLCertVerificationError" in capsys.readouterr().err


def test_user_that_cannot_be_made_is_a_fault(smoke, capsys, monkeypatch):
    monkeypatch.setenv("NO_USER", "1")
    assert smoke() == 1
    assert "no user can be made: no database" in capsys.readouterr().err
