"""A host gone wild: thousands of connections to ports of the estate that say nothing.

Runs with the system's Python; settings as JSON in the first line of standard input. Closed and refused ones are opened
again, until `seconds` are over. Prints as JSON how many were open at most, and how many were refused, by place.
"""

import json
import resource
import select
import socket
import sys
import time
from collections import Counter

given = json.loads(sys.stdin.readline())
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
poll = select.epoll()
owned: dict[int, tuple[str, socket.socket]] = {}
tried, now, most, refused = Counter(), Counter(), Counter(), Counter()
end = time.monotonic() + given["seconds"]


def start(place):
    made = socket.socket()
    made.setblocking(False)
    made.connect_ex(tuple(given["places"][place]))
    owned[made.fileno()] = place, made
    poll.register(made, select.EPOLLOUT)
    tried[place] += 1


def happened(descriptor, event):
    """It is open, or it is no more."""
    place, one = owned[descriptor]
    if event == select.EPOLLOUT:
        poll.modify(descriptor, select.EPOLLIN)
        now[place] += 1
        most[place] = max(most[place], now[place])
        opened.add(descriptor)
        return
    refused[place] += descriptor not in opened
    now[place] -= descriptor in opened
    tried[place] -= 1
    opened.discard(descriptor)
    del owned[descriptor]
    one.close()


opened: set[int] = set()
while time.monotonic() < end:
    for place in given["places"]:
        for _ in range(min(100, given["number"] - tried[place])):
            start(place)
    for descriptor, event in poll.poll(0.2):
        happened(descriptor, event)
print(json.dumps({place: {"open": most[place], "refused": refused[place]} for place in given["places"]}))
