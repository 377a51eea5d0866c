"""What a user does, once: logs in, has a task done, talks over a WebSocket, keeps a file, logs out.

    xteam-smoke --connect 10.0.0.5:443 --name xteam.example.com

Makes a user for it, who is erased afterwards. Ends with 1 at the first thing that is not as it should be, saying what.
Runs in the application's Python, in its environment; asks over TLS, with verification.
"""

import argparse
import asyncio
import http.client
import json
import secrets
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect

ANSWER_SECONDS = 30
TASK_SECONDS = 60
PAUSE_SECONDS = 2
READS = 4
FILE = secrets.token_bytes(4096)


class Failed(Exception):
    """What is not as it should be."""


@dataclass
class Client:
    """Speaks to one address by the public name. names: the ids its requests have got."""

    address: str
    port: int
    name: str
    server_name: str
    ca: str
    names: list[str] = field(default_factory=list)

    def channel(self) -> ssl.SSLSocket:
        """A verified connection."""
        plain = socket.create_connection((self.address, self.port), timeout=ANSWER_SECONDS)
        return self.trust().wrap_socket(plain, server_hostname=self.server_name)

    def trust(self) -> ssl.SSLContext:
        """Who may vouch for the other side."""
        trust = ssl.create_default_context()
        trust.load_verify_locations(self.ca)
        return trust

    def ask(self, method: str, path: str, token: str = "", body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        headers = {"Host": self.name, **({"Authorization": f"Bearer {token}"} if token else {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.address)
        connection.sock = self.channel()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.names.append(answer.getheader("X-Request-ID") or "none")
            return answer.status, answer.read()
        finally:
            connection.close()

    def expect(self, wanted: int, method: str, path: str, token: str = "", body: bytes | None = None) -> Any:
        """The answer's body, read as JSON if it is. Raises Failed for another status than `wanted`."""
        status, said = self.ask(method, path, token, body)
        if status != wanted:
            raise Failed(f"{method} {path} gives {status}, not {wanted}: {said[:300].decode(errors='replace')}")
        try:
            return json.loads(said) if said else None
        except ValueError:
            return said


def log_in(client: Client, user: str, password: str) -> str:
    body = json.dumps({"name": user, "password": password}).encode()
    return str(client.expect(200, "POST", "/auth/login", body=body)["access_token"])


def task(client: Client, token: str) -> None:
    """From the API through the queue to a worker, and its result back."""
    number = client.expect(202, "POST", "/tasks/ok", token)["id"]
    deadline, pause = time.monotonic() + TASK_SECONDS, 0.2
    while (state := client.expect(200, "GET", f"/tasks/{number}", token)["state"]) != "SUCCESS":
        if state == "FAILURE" or time.monotonic() > deadline:
            raise Failed(f"a task is {state} after {TASK_SECONDS} s: do the workers run?")
        # In a long queue, without becoming one of those who ask too often.
        time.sleep(pause)
        pause = min(1.3 * pause, PAUSE_SECONDS)


def websocket(client: Client, token: str) -> None:
    """Said and heard."""
    if (heard := asyncio.run(_ping(client, token))) != "pong":
        raise Failed(f"the WebSocket answers {heard!r} to ping")


async def _ping(client: Client, token: str) -> str | bytes:
    """What comes back. With asyncio: the library's other client reads and writes one TLS connection in two threads,
    which OpenSSL does not promise to bear; a request was seen never to leave."""
    async with connect(
        f"wss://{client.name}/ws",
        host=client.address,
        port=client.port,
        ssl=client.trust(),
        server_hostname=client.server_name,
        additional_headers={"Authorization": f"Bearer {token}"},
        open_timeout=ANSWER_SECONDS,
        proxy=None,
    ) as talk:
        if talk.response:
            client.names.append(talk.response.headers.get("X-Request-ID") or "none")
        await talk.send("ping")
        return await asyncio.wait_for(talk.recv(), ANSWER_SECONDS)


def upload(client: Client, token: str) -> None:
    """Kept and read back, whichever host took it."""
    number = client.expect(201, "POST", "/uploads?name=smoke", token, FILE)["id"]
    for _ in range(READS):
        status, text = client.ask("GET", f"/uploads/{number}", token)
        if (status, text) != (200, FILE):
            raise Failed(f"an upload can't be read back: {status}")


def log_out(client: Client, token: str) -> None:
    """The token is worth nothing from now on."""
    client.expect(204, "POST", "/auth/logout", token)
    client.expect(401, "GET", "/me", token)


def suite(client: Client, manage: str, with_task: bool) -> None:
    """Every step, with the milliseconds it took. Raises Failed."""
    user, password = f"smoke-{secrets.token_hex(6)}", secrets.token_urlsafe(24)
    made = subprocess.run(
        [sys.executable, "-m", manage, "create-user", user], input=f"{password}\n", capture_output=True, text=True
    )
    if made.returncode:
        raise Failed(f"no user can be made: {made.stderr.strip()[-500:]}")
    try:
        token = timed("log in", log_in, client, user, password)
        if with_task:
            timed("task", task, client, token)
        timed("WebSocket", websocket, client, token)
        timed("upload", upload, client, token)
        timed("log out", log_out, client, token)
    finally:
        subprocess.run([sys.executable, "-m", manage, "erase", user], capture_output=True)


def timed(what: str, step: Any, *arguments: Any) -> Any:
    started = time.monotonic()
    try:
        return step(*arguments)
    except Failed as error:
        raise Failed(f"{what}: {error}") from None
    except Exception as error:  # whatever it is, the user has it too
        raise Failed(f"{what}: {type(error).__name__}: {error}") from None
    finally:
        print(f"{what}: {(time.monotonic() - started) * 1000:.0f} ms", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="xteam-smoke", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connect", required=True, metavar="ADDRESS:PORT", help="of an edge or of an API instance")
    parser.add_argument("--name", required=True, help="the public name")
    parser.add_argument("--server-name", help="what the certificate must hold for (default: the public name)")
    parser.add_argument("--ca", required=True, help="trusted besides the system's authorities")
    parser.add_argument("--manage", required=True, help="the application's module of operators' commands")
    parser.add_argument("--without-task", action="store_true", help="the workers are not asked for anything")
    parser.add_argument(
        "--ids", action="store_true", help="print the ids of its requests at the end, to look for in logs"
    )
    options = parser.parse_args()
    address, _, port = options.connect.rpartition(":")
    client = Client(address.strip("[]"), int(port), options.name, options.server_name or options.name, options.ca)
    try:
        suite(client, options.manage, not options.without_task)
    except Failed as error:
        print(f"the smoke suite failed at {options.connect}: {error}", file=sys.stderr)
        return 1
    if options.ids:
        print(f"requests: {' '.join(client.names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
