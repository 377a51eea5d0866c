"""Begins requests over few connections of HTTP/2 from one address, with bodies that don't come.

Prints how many were refused as too many at once, whether another address is served meanwhile, and whether this one is
once its requests have ended.
"""

import json
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress

given = json.loads(sys.stdin.readline())
NAME = given["name"].encode()
PATH = b"/healthz"
HEADERS, END_HEADERS = 1, 4
# POST, https, path, authority, content-length: 10. The body is smaller than what HAProxy waits for.
BLOCK = b"\x83\x87" + bytes([0x04, len(PATH)]) + PATH + bytes([0x41, len(NAME)]) + NAME + b"\x0f\x0d\x0210"
REFUSED, PATIENCE = b"at once", 15


def connect(address, source, protocol):
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    trust.set_alpn_protocols([protocol])
    plain = socket.create_connection((address, 443), timeout=PATIENCE, source_address=(source, 0))
    return trust.wrap_socket(plain, server_hostname=given["name"])


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def begin(number):
    """A connection with so many requests."""
    made = connect(given["address"], given["source"], "h2")
    requests = b"".join(frame(HEADERS, END_HEADERS, 1 + 2 * place, BLOCK) for place in range(number))
    made.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + requests)
    return made


def heard(connections, seconds):
    """How many refusals came in this time. Time ends nothing here: each request may take longer for its body."""
    said = {one: b"" for one in connections}
    end = time.monotonic() + seconds
    for one in connections:
        one.settimeout(0.1)
    while time.monotonic() < end:
        for one in connections:
            with suppress(TimeoutError):
                while more := one.recv(65_536):
                    said[one] += more
    return sum(words.count(REFUSED) for words in said.values())


def served(address, source):
    """Whether a whole request gets an answer that is no refusal."""
    with connect(address, source, "http/1.1") as one:
        one.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (PATH, NAME))
        first = one.recv(4096)
        return b" 429 " not in first and first.startswith(b"HTTP/1.1 ")


connections, left = [], given["number"]
while left > 0:
    connections.append(begin(min(left, given["streams"])))
    left -= given["streams"]
refused = heard(connections, 3)
other = served("127.0.0.1", given["other"])
for one in connections:
    one.close()
end = time.monotonic() + PATIENCE
while not (again := served(given["address"], given["source"])) and time.monotonic() < end:
    time.sleep(0.5)
print(json.dumps({"refused": refused, "other": other, "again": again}))
