"""Sent to a host and run there: knocks at its TLS ports with each of many certificates, or with old versions of TLS.

Standard input: {"certificates": [{"id", "pem"}], "listeners": [{"id", "address", "port", "tls", "asks": [...]}],
"versions": bool}.
A listener has a certificate of its own, "pem", when it is asked for versions.
Output: a line of JSON, {"listener certificate": what came of it} or {listener: [versions and suites that were
accepted]}.
"""

import json
import socket
import ssl
import struct
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 8
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
NOBODY = ""


def contexts(certificates, directory):
    """A TLS client for each certificate, and one without any."""
    found = {NOBODY: client()}
    for number, one in enumerate(certificates):
        path = Path(directory) / str(number)
        path.touch(0o600)
        path.write_text(one["pem"])
        found[one["id"]] = client()
        found[one["id"]].load_cert_chain(path)
    return found


def client():
    """It does not look at the server's certificate: other checks do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(listener, context):
    """A TLS connection."""
    plain = socket.create_connection((listener["address"], listener["port"]), SECONDS)
    try:
        if listener["tls"] == "postgres":
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise ConnectionError("no TLS")
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def knock(listener, context, ask):
    """What is answered: "refused" by TLS or by closing, or how the answer begins; of PostgreSQL "in" or "no role"."""
    try:
        with connect(listener, context) as wire:
            wire.sendall(startup(ask["role"], ask["database"]) if "role" in ask else ask["send"].encode())
            said = wire.recv(400)
    except (ssl.SSLError, ConnectionError):
        return "refused"
    if "role" in ask:
        return "in" if said[:1] == b"R" and struct.unpack("!i", said[5:9])[0] == 0 else "no role"
    return said.decode(errors="replace").split("\r\n")[0] if said else "refused"


def startup(role, database):
    """PostgreSQL's first message: who wants to come in where."""
    words = ["user", role, "database", database, *(["replication", "true"] if role == "replicator" else [])]
    body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def let_in(listener, context):
    """ "in", with what it was let in to, or why not. A listener is tried with each question until one is answered
    well."""
    last = ""
    for ask in listener["asks"]:
        try:
            last = knock(listener, context, ask)
        except OSError as error:
            return f"check error: {error}"
        good = last == "in" if "role" in ask else any(last.startswith(word) for word in ask["in"])
        if good:
            return f"in {ask.get('what', '')}".strip()
        if last == "refused":
            break  # by TLS, or whatever is asked
    return last


def accepted(listener, directory):
    """The versions, and suites outside of the profile, with which a handshake succeeds."""
    path = Path(directory) / listener["id"]
    if listener["pem"]:
        path.touch(0o600)
        path.write_text(listener["pem"])
    found = []
    weak = "ALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:!DHE+AESGCM:!DHE+CHACHA20:@SECLEVEL=0"
    for name, version, ciphers in (
        ("TLSv1", ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
        ("TLSv1.1", ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        ("TLSv1.2 with a weak suite", ssl.TLSVersion.TLSv1_2, weak),
        ("TLSv1.2", ssl.TLSVersion.TLSv1_2, ""),
        ("TLSv1.3", ssl.TLSVersion.TLSv1_3, ""),
    ):
        context = client()
        if listener["pem"]:
            context.load_cert_chain(path)
        if ciphers:
            context.set_ciphers(ciphers)
        context.minimum_version = context.maximum_version = version
        try:
            with connect(listener, context) as wire:
                found.append(f"{name} ({wire.cipher()[0]})")
        except (ssl.SSLError, ConnectionError):
            continue
    return found


def main():
    wanted = json.load(sys.stdin)
    listeners = wanted["listeners"]
    with tempfile.TemporaryDirectory(dir="/run") as directory, ThreadPoolExecutor(4) as pool:
        if wanted.get("versions"):
            answers = pool.map(lambda listener: accepted(listener, directory), listeners)
            print(json.dumps({listener["id"]: answer for listener, answer in zip(listeners, answers, strict=True)}))
            return
        clients = contexts(wanted["certificates"], directory)
        pairs = [(listener, name) for listener in listeners for name in clients]
        answers = pool.map(lambda pair: let_in(pair[0], clients[pair[1]]), pairs)
        found = {f"{listener['id']} {name}": answer for (listener, name), answer in zip(pairs, answers, strict=True)}
    print(json.dumps(found))


main()
