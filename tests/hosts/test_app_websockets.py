"""WebSockets of the application: who may have one, and for how long. Asked of every API host, through no edge."""

import re

import pytest
from xteam_client import CA, forge, run_python, serving

pytestmark = [pytest.mark.group("app"), pytest.mark.item("SEC-14")]

WEBSOCKET = """
import asyncio, json, ssl, websockets
name, address, port = {name!r}, {address!r}, {port!r}
tokens = {tokens!r}
tls = ssl.create_default_context(cafile={ca!r})
async def talk(token):
    headers = {{"Authorization": "Bearer " + token}} if token else {{}}
    where = {{"host": address, "port": port, "server_hostname": address}}
    async with websockets.connect(f"wss://{{name}}/ws", ssl=tls, additional_headers=headers, **where) as socket:
        said = []
        try:
            for word in ("ping", "hello"):
                await socket.send(word)
                said.append(await asyncio.wait_for(socket.recv(), 10))
        except websockets.ConnectionClosed as closed:
            return [*said, closed.rcvd.code if closed.rcvd else None]
        await socket.close()
        return [*said, socket.close_code]
async def main():
    return {{name: await talk(token) for name, token in tokens.items()}}
print(json.dumps(asyncio.run(main())))
"""


@pytest.mark.item("POST-06")
def test_websocket_needs_a_token(host, api, estate, staff, token):
    """With one it echoes and is closed cleanly; without, with a forged or a revoked one it is refused."""
    revoked = api.login(staff.name, staff.password)
    api("/auth/logout", "POST", revoked)
    script = WEBSOCKET.format(
        name=estate.all.domain,
        address=host.address,
        port=api.port,
        ca=CA,
        tokens={"none": "", "forged": forge("secret", staff.id), "revoked": revoked, "good": token},
    )
    said = run_python(host, script)
    assert said.pop("good") == ["pong", "hello", 1000], "a WebSocket with a good token does not echo"
    for what, answer in said.items():
        assert answer == [4401], f"a WebSocket with a token that is {what} gets {answer}"


# The release on this host, served once more with limits of seconds: one client talks all the time, the other is silent.
LIMITED = """
import asyncio, json, os, tempfile
state = tempfile.mkdtemp()
os.environ |= {{
    "XTEAM_API_APP": {module!r}, "XTEAM_API_READY_PATH": {ready!r}, "XTEAM_API_STATE": state,
    "XTEAM_API_DRAINED": state + "/held", "PROMETHEUS_MULTIPROC_DIR": state,
    "XTEAM_API_WEBSOCKET_MAX_AGE": "8", "XTEAM_API_WEBSOCKET_IDLE": "2",
}}
import uvicorn, websockets
from xteam_runtime import asgi
async def life(port, pause):
    headers = {{"Authorization": "Bearer " + {token!r}}}
    address = {{"host": "127.0.0.1", "port": port}}
    async with websockets.connect("ws://{name}/ws", additional_headers=headers, **address) as socket:
        heard = 0
        try:
            while True:
                await socket.send("ping")
                heard += await asyncio.wait_for(socket.recv(), 10) == "pong"
                await asyncio.wait_for(socket.wait_closed(), 20) if pause else await asyncio.sleep(0.1)
        except websockets.ConnectionClosed as closed:
            return [heard > 0, closed.rcvd.code if closed.rcvd else None]
async def main():
    server = uvicorn.Server(uvicorn.Config(asgi.app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.1)
    port = server.servers[0].sockets[0].getsockname()[1]
    said = await asyncio.gather(life(port, False), life(port, True))
    server.should_exit = True
    await serving
    return dict(zip(("talking", "silent"), said))
print(json.dumps(asyncio.run(main())), flush=True)
os._exit(0)  # what the application has to log at its end, of a tracker out of reach for example, is not the answer
"""


def test_websockets_are_closed_at_max_age_and_idle_time(host, estate, token, eventually):
    """The oldest is told to connect again, a silent one that it was silent; and the limits in force are those set."""
    settings = estate.app
    unit = serving(host, estate)[0]
    environment = host.check_output(f"tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID {unit})/environ")
    found = {key: int(value) for key, value in re.findall(r"XTEAM_API_WEBSOCKET_(\w+)=(\d+)", environment)}
    wanted = {"MAX_AGE": settings.api_websocket_max_age_seconds, "IDLE": settings.api_websocket_idle_seconds}
    assert found == wanted, f"the API ends WebSockets after {found}, not {wanted}"
    script = LIMITED.format(
        module=settings.app_module, ready=settings.app_ready_path, name=estate.all.domain, token=token
    )

    def ended():
        """On a host that stands still for seconds, even the one that talks is silent for as long as is allowed."""
        said = run_python(host, script)
        assert said["talking"] == [True, 1012], f"a WebSocket at its highest age is closed with {said['talking'][1]}"
        assert said["silent"] == [True, 1001], f"a silent WebSocket is closed with {said['silent'][1]}"
        return True

    eventually(ended, seconds=60)
