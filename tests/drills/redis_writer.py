"""Runs on a host of the estate: appends numbers to a list of one role through failures, and says what came of it.

Reads its orders from the file named as argument, prints its result; both are JSON. Standard library only.
"""

import itertools
import json
import socket
import ssl
import sys
import time
from pathlib import Path

TIMEOUT = 1.0  # seconds
PAUSE = 0.002  # between writes


class Refused(Exception):
    """The server answered with an error."""


class Connection:
    """One TLS connection that speaks Redis's protocol."""

    def __init__(self, address: str, port: int, user: str, password: str, ca: str):
        context = ssl.create_default_context(cafile=ca)
        raw = socket.create_connection((address, port), TIMEOUT)
        self.socket = context.wrap_socket(raw, server_hostname=address)
        self.file = self.socket.makefile("rb")
        self.ask("AUTH", user, password)

    def ask(self, *words: object):
        data = b"*%d\r\n" % len(words)
        for word in words:
            text = str(word).encode()
            data += b"$%d\r\n%s\r\n" % (len(text), text)
        self.socket.sendall(data)
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else None
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest.decode()

    def close(self) -> None:
        self.socket.close()


def connect(orders: dict) -> Connection:
    """To the master that one of the Sentinels names."""
    problem: Exception = ConnectionError("no Sentinel answers")
    for address in orders["sentinels"]:
        try:
            sentinel = Connection(address, orders["sentinel_port"], "app", orders["sentinel_password"], orders["ca"])
            master = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", orders["role"])[0]
            sentinel.close()
            return Connection(master, orders["port"], "app", orders["password"], orders["ca"])
        except (OSError, Refused) as error:
            problem = error
    raise ConnectionError(str(problem))


def write(orders: dict) -> dict:
    """Append for the ordered seconds. gap: the longest time between two acknowledged writes."""
    acknowledged: list[int] = []
    errors, gap = 0, 0.0
    last = time.monotonic()
    end = last + orders["seconds"]
    connection = None
    for number in itertools.count():
        if time.monotonic() > end:
            break
        try:
            connection = connection or connect(orders)
            connection.ask("RPUSH", orders["key"], number)
        except (OSError, Refused):
            errors += 1
            if connection:
                connection.close()
            connection = None
            time.sleep(0.05)
            continue
        gap = max(gap, time.monotonic() - last)
        last = time.monotonic()
        acknowledged.append(number)
        time.sleep(PAUSE)
    connection = connection or connect(orders)
    kept = {int(number) for number in connection.ask("LRANGE", orders["key"], 0, -1)}
    connection.ask("DEL", orders["key"])
    lost = [number for number in acknowledged if number not in kept]
    return {"acknowledged": len(acknowledged), "lost": len(lost), "errors": errors, "gap_seconds": round(gap, 1)}


if __name__ == "__main__":
    print(json.dumps(write(json.loads(Path(sys.argv[1]).read_text()))))
