"""What stands around the application in its place: the end of WebSockets, and what the edge is told of readiness."""

import asyncio
import sys
from types import ModuleType

import pytest
from host_programs import Host


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path) as made:
        yield made


class Socket:
    """A client: says what it is given, and notes what it gets."""

    def __init__(self, *says):
        self.says, self.got = list(says), []

    async def receive(self):
        if self.says:
            return self.says.pop(0)
        await asyncio.sleep(3600)

    async def send(self, message):
        self.got.append(message)


async def listening(scope, receive, send):
    """An application that talks as long as it is listened to."""
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": "heard"})


async def talking(scope, receive, send):
    while True:
        await send({"type": "websocket.send", "text": "news"})
        await asyncio.sleep(0.01)


def lasting(host, application, client, max_age, idle):
    lifetime = host.load("xteam_runtime.lifetime")

    async def run():
        await asyncio.wait_for(lifetime.Lifetime(client.receive, client.send, max_age, idle).run(application, {}), 5)

    return run


def test_silent_websocket_is_ended(host):
    client = Socket({"type": "websocket.receive"})
    run = lasting(host, listening, client, 3600, 0.05)

    async def until_closed():
        task = asyncio.ensure_future(run())
        while not any(one["type"] == "websocket.close" for one in client.got):
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(until_closed(), 5))
    assert client.got[-1] == {"type": "websocket.close", "code": 1001, "reason": "idle"}


def test_old_websocket_is_asked_to_connect_again(host):
    client = Socket()
    with pytest.raises(OSError, match="the WebSocket has ended"):
        asyncio.run(lasting(host, talking, client, 0.1, 3600)())
    assert client.got[-1] == {"type": "websocket.close", "code": 1012, "reason": "highest age"}


def test_websocket_that_the_client_ends_is_over(host):
    client = Socket({"type": "websocket.receive"}, {"type": "websocket.disconnect"})
    asyncio.run(lasting(host, listening, client, 3600, 3600)())
    assert [one["type"] for one in client.got] == ["websocket.send"]


@pytest.fixture
def api(host, monkeypatch):
    """The module, around an application that answers 200."""
    application = ModuleType("shop")

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    application.app = app
    monkeypatch.setitem(sys.modules, "shop", application)
    (host.root / "state").mkdir()
    for name, value in {
        "READY_PATH": "/ready",
        "STATE": str(host.root / "state"),
        "DRAINED": str(host.root / "drained"),
        "WEBSOCKET_MAX_AGE": "10",
        "WEBSOCKET_IDLE": "10",
        "APP": "shop:app",
    }.items():
        monkeypatch.setenv(f"XTEAM_API_{name}", value)
    return host.load("xteam_runtime.asgi")


def ask(api, path="/ready", headers=(), kind="http"):
    client = Socket()
    scope = {"type": kind, "path": path, "headers": list(headers), "client": ("10.0.0.1", 1)}
    asyncio.run(api.app(scope, client.receive, client.send))
    return [one.get("status") for one in client.got if "status" in one]


def noted(host):
    return sorted(path.name for path in (host.root / "state").iterdir())


def test_readiness_is_the_applications_and_is_noted(host, api):
    assert ask(api) == [200] and noted(host) == ["10.0.0.1-200"]


def test_held_instance_is_not_ready_and_serves_on(host, api):
    (host.root / "drained").touch()
    assert ask(api) == [404] and noted(host) == ["10.0.0.1-404"]
    assert ask(api, "/orders") == [200], "what is under way is served"
    assert ask(api, headers=[(b"x-xteam-probe", b"1")]) == [200], "the host itself learns whether it would be ready"


def test_other_answers_are_not_noted(host, api):
    assert ask(api, "/orders") == [200] and ask(api, kind="websocket") == [200]
    assert noted(host) == []
