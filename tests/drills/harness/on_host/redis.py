"""Writes to Redis, with the standard library."""

import socket
import ssl

from .writer import LARGE, LARGE_EACH, Refused, Writer, large

TIMEOUT = 1.0  # seconds
RESULT_SECONDS = 86_400
SCRIPT = "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1]) redis.call('HSET', KEYS[2], ARGV[1], ARGV[1]) return 1"


def _encoded(words: tuple[object, ...]) -> bytes:
    texts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)


class RedisConnection:
    """One TLS connection that speaks Redis's protocol."""

    def __init__(self, address: str, port: int, user: str, password: str, ca: str):
        context = ssl.create_default_context(cafile=ca)
        raw = socket.create_connection((address, port), TIMEOUT)
        self.socket = context.wrap_socket(raw, server_hostname=address)
        self.file = self.socket.makefile("rb")
        self.ask("AUTH", user, password)

    def ask(self, *words: object):
        return self.pipeline(words)[0]

    def pipeline(self, *commands: tuple[object, ...]) -> list:
        """The answers to commands that are sent at once. Raises Refused at the first error."""
        self.socket.sendall(b"".join(map(_encoded, commands)))
        return [self.answer() for _ in commands]

    def transaction(self, *commands: tuple[object, ...]) -> list:
        """The answers to commands that are carried out together."""
        return self.pipeline(("MULTI",), *commands, ("EXEC",))[-1]

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
    """Writes to the master, each number in another way: at a fixed address, or one that a Sentinel names.

    As client libraries do, it asks the Sentinel that answered last first.
    """

    connection: RedisConnection | None = None

    def __init__(self, orders: dict):
        super().__init__(orders)
        self.ways = (self._plain, self._task, self._result, self._script, self._stream)

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
        self.ways[number % len(self.ways)](number)

    def way(self, number: int) -> str:
        name = self.ways[number % len(self.ways)].__name__.removeprefix("_")
        return "large result" if name == "result" and _is_large(number) else name

    def _key(self, name: object) -> str:
        return f"{self.orders['key']}:{name}"

    def _plain(self, number: int) -> None:
        self.connection.ask("RPUSH", self._key("plain"), number)

    def _task(self, number: int) -> None:
        """As Kombu sends a task."""
        wake = self._key("wake")
        push = ("LPUSH", self._key("queue"), number)
        self.connection.transaction(push, ("LPUSH", wake, ""), ("LTRIM", wake, 0, 31), ("EXPIRE", wake, 60))

    def _result(self, number: int) -> None:
        """As Celery keeps a result, with its expiry."""
        key, value = self._key(f"result:{number}"), large() if _is_large(number) else number
        tell = [("PUBLISH", key, number)] if self.orders["publishes"] else []
        self.connection.transaction(("SETEX", key, RESULT_SECONDS, value), *tell)

    def _script(self, number: int) -> None:
        """As a worker takes a task."""
        self.connection.ask("EVAL", SCRIPT, 2, self._key("index"), self._key("unacked"), number)

    def _stream(self, number: int) -> None:
        """Two commands at once that are no transaction."""
        both = ("XADD", self._key("stream"), "*", "number", number), ("HSET", self._key("hash"), number, number)
        self.connection.pipeline(*both)

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def kept(self) -> set[int]:
        ask = self.connection.ask
        scripts = set(ask("ZRANGE", self._key("index"), 0, -1)) & set(ask("HKEYS", self._key("unacked")))
        streamed = {fields[1] for _, fields in ask("XRANGE", self._key("stream"), "-", "+")}
        lists = [*ask("LRANGE", self._key("plain"), 0, -1), *ask("LRANGE", self._key("queue"), 0, -1)]
        results = [int(key.rpartition(":")[2]) for key in self._results()]
        whole = {one for one in results if not _is_large(one) or self._length(one) == LARGE}
        return {int(one) for one in (*lists, *scripts, *(streamed & set(ask("HKEYS", self._key("hash")))))} | whole

    def _length(self, number: int) -> int:
        return int(self.connection.ask("STRLEN", self._key(f"result:{number}")))

    def _results(self) -> list[str]:
        cursor, found = "0", []
        while True:
            cursor, keys = self.connection.ask("SCAN", cursor, "MATCH", self._key("result:*"), "COUNT", 1000)
            found += keys
            if cursor == "0":
                return found

    def clear(self) -> None:
        names = ("plain", "queue", "wake", "index", "unacked", "stream", "hash")
        keys = [*map(self._key, names), *self._results()]
        self.connection.pipeline(*(("UNLINK", *keys[at : at + 500]) for at in range(0, len(keys), 500)))


def _is_large(number: int) -> bool:
    return number % LARGE_EACH == 2  # any that is written as a result
