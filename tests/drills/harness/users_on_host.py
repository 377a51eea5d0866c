"""Users of an edge: requests over kept connections, slow uploads, WebSockets that connect again when told to, logins.

Runs on an edge host with the system's Python; each client has a loopback address of its own, so that the limits for one
client are not met. Settings as JSON in the first line of standard input, the token in the second, the body of a login
in the third. Ends when the file named there disappears, and prints what it saw as JSON.
"""

import asyncio
import base64
import itertools
import json
import os
import ssl
import sys
import time
from collections import Counter
from pathlib import Path

settings = json.loads(sys.stdin.readline())
token = sys.stdin.readline().strip()
login = sys.stdin.readline().strip().encode()
NAME, GO = settings["name"], Path(settings["go"])
TLS = ssl.create_default_context(cafile=settings["ca"])
PATIENCE = 30
seen = Counter()
trouble: list[str] = []
slowest = last_failed = 0.0


def fail(kind, what):
    global last_failed
    seen[f"{kind}_failed"] += 1
    last_failed = time.time()
    if len(trouble) < 20:
        trouble.append(f"{time.strftime('%H:%M:%S')} {kind}: {what}")


async def connect(client):
    source = f"127.1.{client // 250}.{client % 250 + 1}"
    return await asyncio.wait_for(
        asyncio.open_connection("127.0.0.1", 443, ssl=TLS, server_hostname=NAME, local_addr=(source, 0)), PATIENCE
    )


def head(method, path, *lines):
    first = (f"{method} {path} HTTP/1.1", f"Host: {NAME}", f"Authorization: Bearer {token}")
    return "\r\n".join((*first, *lines, "", "")).encode()


async def answer(reader):
    """Status, and whether the connection is kept."""
    top = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(top.split()[1])
    length = next((int(line.split(":")[1]) for line in top.splitlines() if line.startswith("content-length:")), None)
    if length is not None:
        await reader.readexactly(length)
    else:
        while size := int((await reader.readline()).strip() or b"0", 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return status, "connection: close" not in top


async def kept(client):
    """Asks and asks over one connection: reads, and writes that nobody may repeat."""
    global slowest
    streams = None
    number = 0
    while GO.exists():
        number += 1
        writes = number % 5 == 0
        body = b'{"name":"load"}'
        lines = ("Content-Type: application/json", f"Content-Length: {len(body)}") if writes else ()
        request = head("POST" if writes else "GET", "/workspaces" if writes else "/me", *lines)
        started = time.monotonic()
        try:
            streams = streams or await connect(client)
            streams[1].write(request + (body if writes else b""))
            status, keep = await asyncio.wait_for(answer(streams[0]), PATIENCE)
            seen["requests"] += 1
            if status not in (200, 201):
                fail("requests", f"{'POST' if writes else 'GET'} gives {status}")
            if not keep:
                streams[1].close()
                streams = None
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            seen["requests"] += 1
            fail("requests", f"{'POST' if writes else 'GET'}: {type(error).__name__} {error}")
            if streams:
                streams[1].close()
            streams = None
        slowest = max(slowest, time.monotonic() - started)
        await asyncio.sleep(settings["pause"])


async def slow(client):
    """Uploads that take several seconds to arrive."""
    piece, pieces = b"x" * 1000, 20
    while GO.exists():
        seen["slow"] += 1
        try:
            reader, writer = await connect(client)
            lines = (
                "Content-Type: application/octet-stream",
                f"Content-Length: {len(piece) * pieces}",
                "Connection: close",
            )
            writer.write(head("POST", "/uploads?name=load", *lines))
            for _ in range(pieces):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(settings["slow_seconds"] / pieces)
            status, _ = await asyncio.wait_for(answer(reader), PATIENCE)
            writer.close()
            if status != 201:
                fail("slow", f"an upload gives {status}")
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            fail("slow", f"{type(error).__name__} {error}")
        await asyncio.sleep(1)


async def logins(client):
    """Logs in, each time over a new connection, and as often as one address may."""
    while GO.exists():
        seen["logins"] += 1
        try:
            reader, writer = await connect(client)
            lines = ("Content-Type: application/json", f"Content-Length: {len(login)}", "Connection: close")
            writer.write(head("POST", "/auth/login", *lines) + login)
            status, _ = await asyncio.wait_for(answer(reader), PATIENCE)
            writer.close()
            if status != 200:
                fail("logins", f"a login gives {status}")
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            fail("logins", f"{type(error).__name__} {error}")
        await asyncio.sleep(settings["login_pause"])


TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def frame(code, said):
    mask = os.urandom(4)
    return bytes([0x80 | code, 0x80 | len(said)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(said))


async def heard(reader, writer):
    """Operation code and contents of a short frame. A server's ping is answered, as every browser does by itself:
    uvicorn closes with 1011 when that takes more than 20 seconds."""
    while True:
        first, size = await reader.readexactly(2)
        code, said = first & 15, await reader.readexactly(size & 127)
        if code != PING:
            return code, said
        writer.write(frame(PONG, said))


async def talk(reader, writer):
    """Says ping and hears pong, until told to go."""
    while GO.exists():
        writer.write(frame(TEXT, b"ping"))
        code, said = await asyncio.wait_for(heard(reader, writer), PATIENCE)
        if code == CLOSE:
            status = int.from_bytes(said[:2], "big")
            seen[f"websockets_closed_{status}"] += 1
            if status != 1012:
                fail("websockets", f"closed with {status}")
            return
        seen["pongs"] += said == b"pong"
        await asyncio.sleep(settings["websocket_pause"])


async def websocket(client):
    """Closed with 1012 it connects again; any other end is a failure."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    again = False
    while GO.exists():
        try:
            reader, writer = await connect(client)
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(head("GET", "/ws", *upgrade, f"Sec-WebSocket-Key: {key}"))
            top = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            if b" 101 " not in top.splitlines()[0]:
                raise OSError(top.splitlines()[0].decode())
            seen["websockets_reconnected" if again else "websockets"] += 1
            again = True
            await talk(reader, writer)
            writer.close()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            fail("websockets", f"{type(error).__name__} {error}")
            await asyncio.sleep(0.5)


async def main():
    clients = itertools.count(settings["first"])
    jobs = [kept(next(clients)) for _ in range(settings["kept"])]
    jobs += [slow(next(clients)) for _ in range(settings["slow"])]
    jobs += [websocket(next(clients)) for _ in range(settings["websockets"])]
    jobs += [logins(next(clients)) for _ in range(settings["logins"])]
    tasks = []
    for job in jobs:  # not all at once: the handshakes would be the load
        tasks.append(asyncio.create_task(job))
        await asyncio.sleep(0.02)
    Path(settings["ready"]).touch()
    await asyncio.wait(tasks, timeout=settings["seconds"])
    GO.unlink(missing_ok=True)
    await asyncio.wait(tasks, timeout=PATIENCE + 10)
    print(json.dumps({**seen, "slowest_seconds": round(slowest, 2), "last_failed": last_failed, "trouble": trouble}))


asyncio.run(main())
