"""Redis as checks ask it: as administrator on the machine itself, or as any other user, with the password on standard
input."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.drills.harness.redis import ask
from xteam_infra.layers.redis.needs import SENTINEL
from xteam_infra.plan.needs import CA_PATH


def as_user(host, port, user, password, commands, options=""):
    """Commands, one a line, as another user. The password travels on standard input."""
    lines = "\n".join([password, *commands]) + "\n"
    cli = f"redis-cli -h 127.0.0.1 -p {port} --tls --cacert {CA_PATH} --no-auth-warning {options}"
    return host.run_with_stdin(f"read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec {cli} --user {user}", lines)


def section(host, role, name):
    """One section of INFO."""
    lines = ask(host, role, f"INFO {name}").splitlines()
    return dict(line.split(":", 1) for line in map(str.strip, lines) if ":" in line)


def ports(estate):
    """{role: port}, Sentinel included."""
    roles = {role: one.port for role, one in estate.redis.redis_instances.items()}
    return {**roles, SENTINEL: estate.redis.redis_sentinel_port}


@contextmanager
def test_key(host, role, pattern) -> Iterator[str]:
    """A key the application may touch, and no other check; gone afterwards."""
    key = pattern.replace("*", f"xteam-check-{uuid4().hex}")
    try:
        yield key
    finally:
        ask(host, role, f"DEL {key}")


test_key.__test__ = False
