"""Opens connections to the edge from one address that say nothing.

Prints how many of them stay, whether somebody else is served meanwhile, and how many are left after some seconds.
"""

import json
import resource
import select
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress

given = json.loads(sys.stdin.readline())
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
opened = {}


def connect(address, source):
    """A TCP connection of one address."""
    return socket.create_connection((address, 443), timeout=10, source_address=(source, 0))


def left_after(seconds, wanted=0):
    """How many are still open so many seconds from now, or as soon as no more than `wanted` are."""
    poll, end = select.poll(), time.monotonic() + seconds
    for descriptor in opened:
        poll.register(descriptor, select.POLLIN)
    while len(opened) > wanted and (wait := end - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(wait * 1000):
            poll.unregister(descriptor)
            opened.pop(descriptor).close()
    return len(opened)


def served(source):
    """Whether a TLS handshake with another address comes to its end."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with connect("127.0.0.1", source) as plain, trust.wrap_socket(plain, server_hostname=given["name"]) as one:
        return one.version()


first = None
for _ in range(given["number"]):
    with suppress(ConnectionResetError):  # refused before the handshake of TCP was noticed here
        made = connect(given["address"], given["source"])
        opened[made.fileno()] = made
        first = first or made.fileno()
held = left_after(given["patience"], given["limit"])
# Who is refused is refused at once; when time ends connections, the first one is the first to go.
refused = first in opened
alive = subprocess.run(["curl", "-sf", "-o", "/dev/null", "-m", "5", given["alive"]], check=False).returncode == 0
other = served(given["other"])
print(
    json.dumps({"held": held, "refused": refused, "alive": alive, "other": other, "left": left_after(given["timeout"])})
)
