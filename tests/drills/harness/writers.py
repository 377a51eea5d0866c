"""The application of a drill: a unit on a host of the estate that writes, and the result it comes back with."""

import base64
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg as psycopg_library
import typing_extensions

from checklist.hosts import CheckedHost
from xteam_infra.estate import Estate
from xteam_infra.layers.router.needs import redis_ports
from xteam_infra.plan.needs import CA_PATH

# checklist.plugin: waits until something holds.
Eventually = Callable[..., object]
ON_HOST = Path(__file__).with_name("on_host")
CA = CA_PATH
UNIT = "xteam-drill-writer"
# Not below /run: what was acknowledged outlives a power loss of the writer's own host.
DIRECTORY = "/var/lib/xteam-drill-writer"
# Of the table that a PostgreSQL writer writes to.
COLUMNS = "number integer, part integer, body text, PRIMARY KEY (number, part)"
# Far longer than any drill: a writer that was forgotten ends by itself.
LONGEST = 900


@dataclass(frozen=True)
class Result:
    """acknowledged, lost: numbers. outage_seconds: the longest time between two acknowledged writes.

    said: what the failures said, each once. ways: {way of writing: [acknowledged, lost]}.
    """

    acknowledged: int
    lost: int
    unacknowledged_kept: int
    errors: int
    outage_seconds: float
    said: list[str]
    ways: dict[str, list[int]]

    def figures(self) -> dict[str, int | float | str]:
        """For the dated result of a drill."""
        totals = {"outage_seconds": self.outage_seconds, "acknowledged": self.acknowledged, "lost": self.lost}
        return totals | {f"lost_of_{way}": f"{lost}/{count}" for way, (count, lost) in sorted(self.ways.items())}


class Writer:
    """An application on `host` that writes from now on, in the background.

    orders: see postgres_orders, redis_orders.
    """

    def __init__(self, host: CheckedHost, orders: dict[str, Any], name: str = ""):
        self.host = host
        self.unit, self.directory = f"{UNIT}{name}", f"{DIRECTORY}{name}"
        self.remove()
        host.check_output(f"install -d -m 700 {self.directory}")
        orders = {"seconds": LONGEST, "pause": 0.01, **orders}
        host.run_with_stdin(
            f"mkdir {self.directory}/libraries && base64 -d | tar xz -C {self.directory}/libraries",
            _packed(psycopg=orders["kind"] == "postgres"),
        )
        host.run_with_stdin(f"umask 077; cat > {self.directory}/orders.json", json.dumps(orders))
        self.run()

    def run(self) -> None:
        """Start to write. Once more after a power loss of its host: only look up what was acknowledged before."""
        self.host.check_output(
            f"systemd-run -q --unit {self.unit} -p RemainAfterExit=yes -p Environment=PYTHONDONTWRITEBYTECODE=1"
            f" -p StandardOutput=truncate:{self.directory}/result"
            f" -p Environment=PYTHONPATH={self.directory}/libraries python3 -m on_host {self.directory}/orders.json"
        )

    def acknowledged(self) -> int:
        """How many writes have been acknowledged up to now."""
        return int(self.host.run(f"wc -l < {self.directory}/ledger 2>/dev/null || echo 0").stdout or 0)

    def started(self, eventually: Eventually) -> "Writer":
        """Wait until it really writes."""
        eventually(lambda: self.acknowledged() > 20, seconds=60, interval=0.2)
        return self

    def goes_on(self, eventually: Eventually, seconds: float) -> None:
        """Wait until it writes again, or still."""
        before = self.acknowledged()
        eventually(lambda: self.acknowledged() > before + 20, seconds=seconds, interval=0.2)

    def result(self, eventually: Eventually, seconds: float = 180) -> Result:
        """Tell it to stop; what came of it."""
        self.host.check_output(f"touch {self.directory}/stop")
        state = f"systemctl show -p SubState --value {self.unit}; true"
        try:
            eventually(lambda: self.host.run(state).stdout.strip() != "running", seconds=seconds, interval=0.3)
            output = self.host.run(f"cat {self.directory}/result").stdout
            assert output.strip(), (
                f"the writer failed: {self.host.run(f'journalctl -n 5 -o cat -u {self.unit}').stdout}"
            )
            return Result(**json.loads(output))
        finally:
            self.remove()

    def remove(self) -> None:
        """Stop it, and take back what it left on the host."""
        self.host.run(
            f"systemctl stop {self.unit} 2>/dev/null; systemctl reset-failed {self.unit} 2>/dev/null;"
            f" rm -rf {self.directory}; true"
        )


def postgres_orders(estate: Estate, secret: Callable[[str], str], table: str, way: str = "pooler") -> dict[str, Any]:
    """Write as the application does. way: "pooler", "router" (the write port), or "members" (libpq's list of hosts)."""
    settings = estate.postgres
    members = estate.members("postgres")
    host, port = {
        "pooler": (estate.fqdn("pgbouncer"), "6432"),
        "router": (estate.fqdn("postgres"), "5440"),
        "members": (",".join(estate.fqdn(member.name) for member in members), "5432"),
    }[way]
    conninfo = (
        f"host={host} port={port} user={settings.POSTGRES_USER} dbname={settings.POSTGRES_DB} sslmode=verify-full"
        f" sslrootcert={CA} connect_timeout=2 tcp_user_timeout=3000 keepalives_idle=2 keepalives_interval=1"
        " keepalives_count=3"
    )
    if way == "members":
        conninfo += " target_session_attrs=read-write"
    password = secret(settings.POSTGRES_PASSWORD.name)
    return {"kind": "postgres", "conninfo": conninfo, "password": password, "table": table}


def redis_orders(
    estate: Estate, secret: Callable[[str], str], role: str, key: str, way: str = "sentinel"
) -> dict[str, Any]:
    """Write below a key on a role's master, as the application does.

    way: a Sentinel names the master, or the writer's own "router" leads there.
    """
    settings, instance = estate.redis, estate.redis.redis_instances[role]
    routed = {"address": "127.0.0.1", "port": redis_ports(estate)[role]} if way == "router" else {}
    return {
        "kind": "redis",
        "role": role,
        "port": instance.port,
        **routed,
        "password": secret(f"redis/{role}/app"),
        "sentinels": [machine.address for machine in estate.members("redis")],
        "sentinel_port": settings.redis_sentinel_port,
        "sentinel_password": secret("redis/sentinel/app"),
        "key": instance.app_keys[0].replace("*", key),
        "publishes": bool(instance.app_channels),
        "ca": CA,
        "pause": 0.002,
    }


def _packed(*, psycopg: bool) -> str:
    """The writer's programs, and psycopg of this environment: its Python part works with the host's own libpq."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(ON_HOST, "on_host", filter=_source)
        if psycopg:
            archive.add(Path(psycopg_library.__file__).parent, "psycopg", filter=_source)
            archive.add(typing_extensions.__file__, "typing_extensions.py")
    return base64.encodebytes(packed.getvalue()).decode()


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
