"""Opens connections to a port that say nothing; how many are open and refused, and whether one is open afterwards."""

import json
import socket
import sys
import time

given = json.loads(sys.stdin.readline())


def connect(number):
    """Connections, and how many were refused."""
    opened, refused = [], 0
    for _ in range(number):
        try:
            opened.append(socket.create_connection((given["address"], given["port"]), timeout=10))
        except ConnectionRefusedError:
            refused += 1
    return opened, refused


opened, refused = connect(given["number"])
print(json.dumps({"open": len(opened), "refused": refused}))
for one in opened:
    one.close()
end = time.monotonic() + 20  # a busy service takes its time to notice
while not (opened := connect(1)[0]) and time.monotonic() < end:
    time.sleep(0.5)
print(json.dumps({"open": len(opened)}))
