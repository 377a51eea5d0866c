"""Runs on an edge host or beside the estate: users who log in, upload, leave tasks, rows and chords, and log out.

    python3 people_on_host.py work|login|look SETTINGS.json

work: until it is stopped; what was acknowledged is a line of the ledger beside the settings, on disk, as JSON.
login: one login, to see whether users are served; exit status 0 or 1.
look: what has become of each line, as JSON: {kind: {"acknowledged": N, "lost": [what is there instead, ...]}}.
On an edge each request comes from an address of its own, so that the limits for one client are not met. Every request
is a line of the file `asked` beside the settings: its moment, and what was wrong with it, or nothing.
"""

import hashlib
import http.client
import itertools
import json
import os
import random
import socket
import ssl
import sys
import time
from collections import defaultdict
from functools import cache
from pathlib import Path

FILE = Path(sys.argv[2])
SETTINGS = json.loads(FILE.read_text())
LEDGER = FILE.with_name("ledger")
NAME, PASSWORD, USERS = SETTINGS["domain"], SETTINGS["password"], SETTINGS["users"]
# The edge of this host, or an address that several edges share.
ADDRESS = SETTINGS.get("address", "127.0.0.1")
ASKED = FILE.with_name("asked")
# Requests, and logins more so, are limited by address; beside the estate there is one only.
OFTEN, RARELY = ADDRESS == "127.0.0.1", 20
PAUSE = 0.5 if OFTEN else 3.0
tokens: dict[str, str] = {}
TLS = ssl.create_default_context(cafile=SETTINGS["ca"])
SECONDS = 20
TASK_SECONDS = SETTINGS["task_seconds"]
LARGE = 1_000_000
LONG = 900  # the example takes a thousand characters
# Whatever goes wrong: it was not acknowledged.
FAILURES = (OSError, http.client.HTTPException, ValueError, KeyError)


class Refused(ValueError):
    """Another status than the one that acknowledges."""


def somewhere() -> str:
    """An address of this host's own; beside the estate, whichever it has."""
    if ADDRESS != "127.0.0.1":
        return ""
    return f"127.1.{random.randrange(256)}.{random.randrange(1, 255)}"  # noqa: S311 - any will do


def ask(method: str, path: str, wanted: int = 200, token: str = "", body: object = None, source: str = "") -> bytes:
    """The answer's body. Raises Refused when its status is not `wanted`."""
    source = source or somewhere()
    headers = {"Host": NAME, "Connection": "close"} | ({"Authorization": f"Bearer {token}"} if token else {})
    if body is not None and not isinstance(body, bytes):
        headers["Content-Type"], body = "application/json", json.dumps(body).encode()
    began, wrong = time.time(), "no answer"
    try:
        wrong, said = exchanged(method, path, wanted, headers, body, source)
    finally:
        with ASKED.open("a") as asked:
            asked.write(f"{began:.1f} {time.time() - began:.1f} {method} {path.partition('?')[0]} {wrong}\n")
    if wrong:
        raise Refused(f"{method} {path.partition('?')[0]} gives {wrong}")
    return said


def exchanged(method: str, path: str, wanted: int, headers: dict, body: object, source: str) -> tuple[str, bytes]:
    """(another status than the one that acknowledges, the answer's body)."""
    with socket.create_connection((ADDRESS, 443), SECONDS, (source, 0)) as plain:
        connection = http.client.HTTPConnection(NAME, timeout=SECONDS)
        connection.sock = TLS.wrap_socket(plain, server_hostname=NAME)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
    return "" if answer.status == wanted else str(answer.status), said


def login(user: str, source: str = "") -> str:
    """A new token."""
    said = ask("POST", "/auth/login", body={"name": user, "password": PASSWORD}, source=source)
    return json.loads(said)["access_token"]


def acts(token: str, number: int) -> dict[str, object]:
    """What one user does in one round: {kind: how to look for it}; lines of the ledger as they are acknowledged."""
    data = os.urandom(LARGE if number % 10 == 0 else 20_000)
    said = json.loads(ask("POST", "/uploads?name=drill", 201, token, data))
    note("upload", token=token, id=said["id"], digest=hashlib.sha256(data).hexdigest())
    said = json.loads(ask("POST", "/workspaces", 201, token, {"name": f"drill {number}"}))
    note("row", token=token, id=said["id"])
    for name, value in (("ok", f"{number} {'x' * (LONG if number % 10 == 0 else 0)}"), ("slow", 0.5)):
        arguments = {"value": value} if name == "ok" else {"seconds": value}
        said = json.loads(ask("POST", f"/tasks/{name}", 202, token, arguments))
        note("task", token=token, id=said["id"], result=value)


def note(kind: str, **what: object) -> None:
    """A line of the ledger."""
    with LEDGER.open("a") as ledger:
        ledger.write(json.dumps({"kind": kind, "at": time.time(), **what}) + "\n")


def work() -> None:
    """Round after round; of the logins every other one is logged out."""
    LEDGER.touch()
    for number in itertools.count():
        try:
            user = USERS[number % len(USERS)]
            acts(session_of(user), number)
            if OFTEN or number % RARELY == 0:
                gone = login(user)
                ask("POST", "/auth/logout", 204, gone)
                note("logout", token=gone)
        except FAILURES as error:
            print(f"{time.time():.1f} {type(error).__name__} {error}", flush=True)
        time.sleep(PAUSE)


def session_of(user: str) -> str:
    """A token: a new one in every round, or where logins of one address are limited, the user's own."""
    if user not in tokens:
        source = somewhere()
        token = login(user, source)
        note("session", token=token, user=user, source=source)
        if OFTEN:
            return token
        tokens[user] = token
    return tokens[user]


def upload(line: dict) -> str:
    found = hashlib.sha256(ask("GET", f"/uploads/{line['id']}", token=line["token"])).hexdigest()
    return "" if found == line["digest"] else "another content"


def row(line: dict) -> str:
    # Asked with the token that made it: a user sees his own.
    rows = json.loads(ask("GET", "/workspaces", token=line["token"]))
    return "" if line["id"] in {one["id"] for one in rows} else "not among them"


@cache
def sessions(user: str) -> set[str]:
    """Where a user has logged in from: of a session that was lost, the next request makes one without that."""
    found = json.loads(ask("GET", "/me/export", token=login(user)))["sessions"]
    return {one["address"] for one in found if "created" in one}


def session(line: dict) -> str:
    ask("GET", "/me", token=line["token"])
    return "" if not line["source"] or line["source"] in sessions(line["user"]) else "not among them"


def logout(line: dict) -> str:
    ask("GET", "/me", 401, line["token"])
    return ""


def task(line: dict) -> str:
    """Each that was acknowledged must end; its result is told to who asked for it alone."""
    while True:
        said = json.loads(ask("GET", f"/tasks/{line['id']}", token=line["token"]))
        if said["state"] == "SUCCESS" and said["result"] == line["result"]:
            return ""
        if time.time() > END:
            return said["state"]
        time.sleep(0.5)


KINDS = {"upload": upload, "row": row, "session": session, "logout": logout, "task": task}
END = time.time() + TASK_SECONDS


def look() -> None:
    """Each line, asked again when the answer was an error: the site may still be waking up."""
    found: dict[str, dict] = defaultdict(lambda: {"acknowledged": 0, "lost": []})
    for text in LEDGER.read_text().splitlines():
        line = json.loads(text)
        found[line["kind"]]["acknowledged"] += 1
        said = tried(line)
        if said:
            found[line["kind"]]["lost"].append(f"{said}, acknowledged at {line['at']:.3f}")
    print(json.dumps(found))


def tried(line: dict) -> str:
    """What is there instead of a line; "" when it is as it was."""
    for again in (True, True, False):
        try:
            return KINDS[line["kind"]](line)
        except FAILURES as error:
            if not again:
                return f"{type(error).__name__} {error}"
        time.sleep(1)
    return ""


def served() -> None:
    try:
        login(USERS[-1])
    except FAILURES as error:
        sys.exit(str(error))


{"work": work, "login": served, "look": look}[sys.argv[1]]()
