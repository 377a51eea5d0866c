"""How a secret is written into each format, so that its reader gets exactly the value that the store has.

Each function here is a filter of the templates by its name in FORMATS: `{{ secret("redis/queue/app") | url | env }}`.
All raise NotCarried, which shows nothing of the value, when the format has no way to write it.
"""

import hashlib
import json
import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

# What every reader takes without any quoting.
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Of the readers of ~/.aws/credentials some take # and ; for a comment, quotes and backslashes for syntax.
AWS = UNRESERVED | frozenset("/+=@:,!*&^")


class NotCarried(ValueError):
    """A format can't carry a value. The text says what is allowed."""


class Placeholder(str):
    """Stands in a text for a secret's value; every filter leaves it as it is."""

    __slots__ = ()


def placeholder(reference: object) -> Placeholder:
    """What stands for a secret in a text that may be shown. reference: the reference, or its name."""
    return Placeholder(f"<secret {getattr(reference, 'name', reference)}>")


FORMATS: dict[str, Callable[[str], str]] = {}


def _format(name: str) -> Callable[[Callable[[str], str]], Callable[[str], str]]:
    def register(write: Callable[[str], str]) -> Callable[[str], str]:
        @wraps(write)
        def checked(value: str) -> str:
            if isinstance(value, Placeholder):
                return value
            if not value or not value.isprintable():
                raise NotCarried("printable characters of one line, at least one")
            return write(value)

        FORMATS[name] = checked
        return checked

    return register


@_format("url")
def url(value: str) -> str:
    """A part of a URL."""
    return quote(value, safe="")


@_format("env")
def env(value: str) -> str:
    """Inside double quotes in a file that systemd reads as EnvironmentFile. Nothing is expanded there."""
    return "".join(f"\\{one}" if one in '\\"$`' else one for one in value)


@_format("json")
def as_json(value: str) -> str:
    """A string of JSON, with its quotes."""
    return json.dumps(value, ensure_ascii=False)


@_format("yaml")
def yaml(value: str) -> str:
    """A scalar of YAML, with its quotes: JSON's are YAML's too."""
    return as_json(value)


@_format("ini")
def ini(value: str) -> str:
    """The rest of a line behind KEY= in pgBackRest's files: taken as it is, but for spaces around it."""
    return line(value)


@_format("line")
def line(value: str) -> str:
    """A line of its own, whose readers cut spaces off at both ends."""
    if value != value.strip():
        raise NotCarried("a value without spaces at its ends")
    return value


@_format("word")
def word(value: str) -> str:
    """A word on standard input, whose reader ends at a space."""
    if " " in value:
        raise NotCarried("a value without spaces")
    return value


@_format("redis")
def redis(value: str) -> str:
    """A word in redis.conf, in an inline command, and in what redis-cli reads, with its quotes."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@_format("sentinel")
def sentinel(value: str) -> str:
    """A word in redis.conf that Sentinel copies into its own file, where it puts no quotes."""
    if set(value) & set("\"' "):
        raise NotCarried("a value without spaces and quotes: Sentinel keeps it unquoted in a file of its own")
    return redis(value)


@_format("acl")
def acl(value: str) -> str:
    """A password in a file of Redis' users, by its hash."""
    return f"#{hashlib.sha256(value.encode()).hexdigest()}"


@_format("haproxy")
def haproxy(value: str) -> str:
    """A part of a word in HAProxy's configuration, outside quotes."""
    return "".join(one if one in UNRESERVED else _bytes(one) for one in value)


@_format("aws")
def aws(value: str) -> str:
    """The rest of a line in a file of AWS credentials."""
    if not set(value) <= AWS:
        raise NotCarried("A-Z, a-z, 0-9 and / + = - . _ ~ @ : , ! * & ^")
    return value


@_format("sql")
def sql(value: str) -> str:
    """A literal of PostgreSQL, with its quotes."""
    if "\\" in value:
        raise NotCarried("a value without backslashes")
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


@_format("shell")
def shell(value: str) -> str:
    """A word for a POSIX shell."""
    return shlex.quote(value)


@_format("plain")
def plain(value: str) -> str:
    """What needs no escaping anywhere: for places in which nothing can be escaped."""
    if not set(value) <= UNRESERVED:
        raise NotCarried("A-Z, a-z, 0-9 and - . _ ~")
    return value


def refused(value: str, formats: tuple[str, ...]) -> str:
    """What these formats allow, when one of them can't carry the value; else nothing."""
    for name in formats:
        try:
            FORMATS[name](value)
        except NotCarried as error:
            return str(error)
    return ""


def register(filters: dict[str, Any]) -> None:
    """Make every format a filter of a template environment."""
    filters.update(FORMATS)


def _bytes(one: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in one.encode())
