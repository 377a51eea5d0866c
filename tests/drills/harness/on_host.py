"""Runs on a host of the estate: writes numbers through failures, keeps a ledger of the acknowledged ones, and compares.

    python3 on_host.py ORDERS.json

The ledger (`number seconds` a line) and the failures (`seconds what was said`) grow beside the orders while it writes.
When the file `stop` appears beside them, or the ordered seconds are over, it looks each acknowledged number up and
prints the result as JSON.
Standard library, and psycopg for PostgreSQL, which the harness brings along.
"""

# ruff: noqa: S608 - the names in these statements are the drill's own

import itertools
import json
import socket
import ssl
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

TIMEOUT = 1.0  # seconds
# After the last write: how long the service may take to answer again, so that the numbers can be looked up.
RECOVERY = 120.0


class Refused(Exception):
    """The server answered with an error."""


class Writer(ABC):
    """One kind of service. Any exception of `connect` and `write` means: not acknowledged, connect again."""

    failures: tuple[type[Exception], ...] = (OSError, Refused)

    def __init__(self, orders: dict):
        self.orders = orders

    @abstractmethod
    def connect(self) -> None:
        """Connect to whoever takes writes now."""

    @abstractmethod
    def write(self, number: int) -> None:
        """Return once the number is acknowledged."""

    @abstractmethod
    def close(self) -> None:
        """Drop the connection, whatever its state."""

    @abstractmethod
    def kept(self) -> set[int]:
        """All numbers that are there."""

    def clear(self) -> None:  # noqa: B027 - most have nothing to remove
        """Remove what was written."""


class PostgresWriter(Writer):
    """Inserts into a table, one transaction a number; any way that a conninfo can say."""

    def __init__(self, orders: dict):
        super().__init__(orders)
        sys.path.insert(0, orders["libraries"])
        import psycopg

        self.psycopg = psycopg
        self.failures = (OSError, psycopg.Error)
        self.connection = None

    def connect(self) -> None:
        self.connection = self.psycopg.connect(
            self.orders["conninfo"], password=self.orders["password"], autocommit=True, prepare_threshold=None
        )

    def write(self, number: int) -> None:
        self.connection.execute(f"INSERT INTO {self.orders['table']} VALUES (%s)", (number,))

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def kept(self) -> set[int]:
        return {row[0] for row in self.connection.execute(f"SELECT number FROM {self.orders['table']}")}


class RedisConnection:
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


class RedisWriter(Writer):
    """Appends to a list on the master: at a fixed address, or one that a Sentinel names.

    As client libraries do, it asks the Sentinel that answered last first.
    """

    connection: RedisConnection | None = None

    def connect(self) -> None:
        orders = self.orders
        if "address" in orders:
            self.connection = RedisConnection(
                orders["address"], orders["port"], "app", orders["password"], orders["ca"]
            )
            return
        problem: Exception = ConnectionError("no Sentinel answers")
        for address in list(orders["sentinels"]):
            try:
                sentinel = RedisConnection(
                    address, orders["sentinel_port"], "app", orders["sentinel_password"], orders["ca"]
                )
                master = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", orders["role"])[0]
                sentinel.close()
                orders["sentinels"].remove(address)
                orders["sentinels"].insert(0, address)
                self.connection = RedisConnection(master, orders["port"], "app", orders["password"], orders["ca"])
                return
            except (OSError, Refused) as error:
                problem = error
        raise ConnectionError(str(problem))

    def write(self, number: int) -> None:
        self.connection.ask("RPUSH", self.orders["key"], number)

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def kept(self) -> set[int]:
        return {int(number) for number in self.connection.ask("LRANGE", self.orders["key"], 0, -1)}

    def clear(self) -> None:
        self.connection.ask("DEL", self.orders["key"])


KINDS = {"postgres": PostgresWriter, "redis": RedisWriter}


def write(writer: Writer, orders: dict, directory: Path) -> tuple[list[int], list[float], list[str]]:
    """Write until told to stop: acknowledged numbers, the moment of each, what the failures said."""
    acknowledged: list[int] = []
    moments: list[float] = []
    said: list[str] = []
    connected = False
    end = time.monotonic() + orders["seconds"]
    with (directory / "ledger").open("w", 1) as ledger, (directory / "failures").open("w", 1) as log:
        for number in itertools.count():
            if time.monotonic() > end or (directory / "stop").exists():
                break
            try:
                if not connected:
                    writer.connect()
                connected = True
                writer.write(number)
            except writer.failures as error:
                said.append(f"{type(error).__name__}: {error}".strip().replace("\n", " "))
                log.write(f"{time.time():.3f} {said[-1]}\n")
                connected = False
                writer.close()
                time.sleep(0.05)
                continue
            moments.append(time.monotonic())
            acknowledged.append(number)
            ledger.write(f"{number} {time.time():.3f}\n")
            time.sleep(orders["pause"])
    return acknowledged, moments, said


def look_up(writer: Writer) -> set[int]:
    """All numbers that are there, once the service answers."""
    deadline = time.monotonic() + RECOVERY
    while True:
        try:
            writer.close()
            writer.connect()
            kept = writer.kept()
            writer.clear()
            return kept
        except writer.failures:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def main() -> None:
    path = Path(sys.argv[1])
    orders = json.loads(path.read_text())
    writer = KINDS[orders["kind"]](orders)
    acknowledged, moments, said = write(writer, orders, path.parent)
    kept = look_up(writer)
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    result = {
        "acknowledged": len(acknowledged),
        "lost": sum(number not in kept for number in acknowledged),
        "unacknowledged_kept": len(kept - set(acknowledged)),
        "errors": len(said),
        "outage_seconds": round(max(gaps, default=0.0), 2),
        "said": list(dict.fromkeys(said))[:5],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
