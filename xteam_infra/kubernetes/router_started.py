"""In a pod: whether the router knows who leads. router_started.py SOCKET BACKEND... ends with 0 once it does.

HAProxy takes all servers for up until it has asked them: a migration that starts at once could meet a replica.
"""

import socket
import sys

STATUS = 17


def servers_up(path: str) -> list[str]:
    """The backend of each server that is up."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
        client.sendall(b"show stat\n")
        rows = [line.split(",") for line in client.makefile().read().splitlines()]
    servers = [row for row in rows if len(row) > STATUS and row[1] not in ("FRONTEND", "BACKEND")]
    return [row[0] for row in servers if row[STATUS].startswith("UP")]


if __name__ == "__main__":
    up = servers_up(sys.argv[1])
    sys.exit(any(up.count(backend) != 1 for backend in sys.argv[2:]))
