"""On a host, by root: a file with hostile secrets is given to the program that it is for, in a directory of its own.

hostile_on_host.py KIND: the case as JSON on standard input. Prints, as JSON, what the program makes of the secrets.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 20


def redis(place, case):
    """Who gets in with which password, and what CONFIG GET says. case: text, acl, logins, show."""
    (place / "acl").write_text(case["acl"])
    sock = place / "sock"
    own = f"port 0\nunixsocket {sock}\nbind 127.0.0.1\naclfile {place}/acl\ndir {place}\nlogfile ''\n"
    # Without TLS, which asks for certificates and holds no secret.
    lines = [line for line in case["text"].splitlines() if not line.startswith("tls-")]
    (place / "conf").write_text("\n".join([*lines, own]))
    answers = []
    for _ in range(case["starts"]):
        server = subprocess.Popen(
            ["redis-server", place / "conf", *case["words"]], stdout=(place / "log").open("a"), stderr=subprocess.STDOUT
        )
        try:
            connection = connect(sock, server, place / "log")
            answers += [ask(connection, "AUTH", *login) for login in case["logins"]]
            answers.append([ask(connection, *words) for words in case["show"]])
        finally:
            server.terminate()
            server.wait(SECONDS)
    return answers


def connect(sock, server, log):
    """A connection to a socket, once its server listens."""
    end = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < end:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.connect(str(sock))
            found.settimeout(SECONDS)
            return found.makefile("rwb")
        except OSError:
            found.close()
            time.sleep(0.05)
    raise SystemExit(f"redis-server does not start: {log.read_text()[-1500:]}")


def ask(connection, *words):
    """Redis' answer: a text, or a list of texts."""
    data = b"".join(b"$%d\r\n%s\r\n" % (len(one.encode()), one.encode()) for one in words)
    connection.write(b"*%d\r\n%s" % (len(words), data))
    connection.flush()
    return answer(connection)


def answer(connection):
    kind, rest = (line := connection.readline())[:1], line[1:].strip()
    if kind in b"*%":
        return [answer(connection) for _ in range(int(rest) * (2 if kind == b"%" else 1))]
    return connection.read(int(rest) + 2)[:-2].decode() if kind == b"$" else line.strip().decode()


def environment(place, case):
    """What systemd gives a process whose EnvironmentFile it is."""
    (place / "env").write_text(case["text"])
    words = ["systemd-run", "-q", "--wait", "--pipe", "-p", f"EnvironmentFile={place}/env", "/usr/bin/env", "-0"]
    said = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout.decode()
    return dict(one.split("=", 1) for one in said.split("\0") if one)


def haproxy(place, case):
    """Nothing, or why HAProxy refuses it."""
    (place / "cfg").write_text(case["text"])
    return subprocess.run(["haproxy", "-c", "-f", place / "cfg"], capture_output=True, text=True).stderr


def pgbackrest(place, case):
    """What of a file in the repository can be read with the cipher's password that stands in the configuration."""
    (place / "include").mkdir()
    own = f"repo1-path={place}/repo\nlog-path={place}\nlock-path={place}\n[main]\npg1-path=/x\n"
    text = "\n".join(line for line in case["text"].splitlines() if line.startswith(("[", "repo1-cipher")))
    (place / "conf").write_text(f"{text}\n{own}")
    words = ["pgbackrest", f"--config={place}/conf", f"--config-include-path={place}/include", "--stanza=main"]
    put = subprocess.run([*words, "repo-put", "x"], input=b"plain", capture_output=True)
    assert put.returncode == 0, put.stdout + put.stderr
    (place / "pass").write_text(f"{case['password']}\n")
    openssl = ["openssl", "enc", "-d", "-aes-256-cbc", "-md", "sha1", "-pass", f"file:{place}/pass"]
    return subprocess.run([*openssl, "-in", place / "repo/x"], capture_output=True).stdout.decode(errors="replace")


def main():
    kind, case = globals()[sys.argv[1]], json.load(sys.stdin)
    place = Path(tempfile.mkdtemp(prefix="xteam-hostile-"))
    try:
        print(json.dumps([kind(Path(tempfile.mkdtemp(dir=place)), one) for one in case]))
    finally:
        shutil.rmtree(place)


main()
