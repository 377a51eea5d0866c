"""PostgreSQL behind PgBouncer (transaction mode) and one Redis per role, over TLS on loopback, for one test session.

Real programs of this machine with data directories and ports of their own; nothing that is already running is touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from secrets import randbelow, token_hex
from typing import Any

ROLES = ("cache", "sessions", "blacklist", "queue")
START_SECONDS = 60


def missing_programs() -> list[str]:
    """What this machine lacks to run the services."""
    wanted = {"postgresql": _postgres_bin("initdb"), "pgbouncer": shutil.which("pgbouncer")}
    wanted |= {name: shutil.which(name) for name in ("redis-server", "openssl", "psql")}
    return [name for name, path in wanted.items() if not path]


def _postgres_bin(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else None


def free_port() -> int:
    """Below the ports that the kernel gives to clients: a service that is stopped and started again finds it free."""
    while True:
        port = 20000 + randbelow(10000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def wait_for(what: str, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not ready after {seconds:.0f} s")
        time.sleep(0.1)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Services:
    """The running services; `environment` is what the application gets, `migrator` what a migration gets."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.commands: dict[str, list[str]] = {}
        self.ports = {name: free_port() for name in (*ROLES, "postgres", "pgbouncer")}
        self.passwords = {name: token_hex(16) for name in (*ROLES, "app", "migrator")}
        # The services run as the user postgres, which Debian's package made: PostgreSQL refuses root.
        self.user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}

    def start(self) -> None:
        self._certificates()
        self._own()
        self._postgres()
        self._pgbouncer()
        for role in ROLES:
            self.start_redis(role)

    def stop(self) -> None:
        for name in list(self.processes):
            self.stop_one(name)

    def stop_one(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGINT)  # to PostgreSQL: without waiting for its clients
        process.wait(20)

    def _run(self, *words: str, **user: Any) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=self.directory, **user)

    def _own(self) -> None:
        self.directory.chmod(0o755)
        if self.user:
            self._run("chown", "-R", "postgres", str(self.directory))

    def _spawn(self, name: str, *words: str) -> None:
        log = (self.directory / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.directory, **self.user)
        wait_for(name, lambda: listening(self.ports[name]))

    def _certificates(self) -> None:
        ca = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        self._run(*ca, "-subj", "/CN=trial", "-keyout", "ca.key", "-out", "ca.crt", *extensions)
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        leaf = [*ca, "-CA", "ca.crt", "-CAkey", "ca.key"]
        self._run(*leaf, "-subj", "/CN=localhost", "-keyout", "leaf.key", "-out", "leaf.crt", *names)

    def _postgres(self) -> None:
        data = self.directory / "data"
        initdb, postgres = str(_postgres_bin("initdb")), str(_postgres_bin("postgres"))
        self._run(initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", **self.user)
        settings = {
            "port": self.ports["postgres"],
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": self.directory / "leaf.crt",
            "ssl_key_file": self.directory / "leaf.key",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        (data / "pg_hba.conf").write_text("local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        self._spawn("postgres", postgres, "-D", str(data), *options)
        wait_for("postgres", lambda: self._psql("SELECT 1", check=False) == 0)
        for role in ("migrator", "app"):
            self._psql(f"CREATE ROLE {role} LOGIN PASSWORD '{self.passwords[role]}'")
        self._psql("CREATE DATABASE xteam OWNER migrator")
        grant = "ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app"
        self._psql(grant, "xteam")

    def _psql(self, statement: str, database: str = "postgres", check: bool = True) -> int:
        port = str(self.ports["postgres"])
        server = ["-U", "postgres", "-h", str(self.directory), "-p", port, "-d", database]
        words = ["psql", "-qX", *server, "-c", statement]
        return subprocess.run(words, check=check, capture_output=True, **self.user).returncode

    def _pgbouncer(self) -> None:
        users = self.directory / "users.txt"
        users.write_text(f'"app" "{self.passwords["app"]}"\n')
        config = self.directory / "pgbouncer.ini"
        here = self.directory
        config.write_text(
            f"[databases]\nxteam = host=127.0.0.1 port={self.ports['postgres']}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.ports['pgbouncer']}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = 5\n"
            f"client_tls_sslmode = require\n"
            f"client_tls_cert_file = {here}/leaf.crt\nclient_tls_key_file = {here}/leaf.key\n"
            f"server_tls_sslmode = require\n"
        )
        self._own()
        self._spawn("pgbouncer", str(shutil.which("pgbouncer")), str(config))

    def start_redis(self, role: str) -> None:
        (self.directory / role).mkdir(exist_ok=True)
        config = self.directory / f"{role}.conf"
        config.write_text(
            f"bind 127.0.0.1\nport 0\ntls-port {self.ports[role]}\nrequirepass {self.passwords[role]}\nappendonly yes\n"
            f"tls-cert-file {self.directory}/leaf.crt\ntls-key-file {self.directory}/leaf.key\n"
            f"tls-ca-cert-file {self.directory}/ca.crt\ntls-auth-clients no\ndir {self.directory}/{role}\n"
        )
        self._own()
        self._spawn(role, "redis-server", str(config))

    def redis_url(self, role: str, database: int = 0) -> str:
        tls = f"ssl_cert_reqs=required&ssl_ca_certs={self.directory}/ca.crt"
        return f"rediss://:{self.passwords[role]}@localhost:{self.ports[role]}/{database}?{tls}"

    @property
    def migrator(self) -> dict[str, str]:
        return self._database("migrator", "postgres")

    def _database(self, role: str, server: str) -> dict[str, str]:
        return {
            "POSTGRES_HOST": "localhost",
            "POSTGRES_PORT": str(self.ports[server]),
            "POSTGRES_DB": "xteam",
            "POSTGRES_USER": role,
            "POSTGRES_PASSWORD": self.passwords[role],
            "POSTGRES_SSLMODE": "verify-full",
            "POSTGRES_SSLROOTCERT": f"{self.directory}/ca.crt",
        }

    @property
    def environment(self) -> dict[str, str]:
        return self._database("app", "pgbouncer") | {
            "ENVIRONMENT": "production",
            "DEBUG": "false",
            "SECRET_KEY": token_hex(32),
            "LOG_LEVEL": "WARNING",
            "RELEASE": "trial",
            "ALLOWED_HOSTS": "xteam.test,localhost",
            "CORS_ALLOW_ORIGINS": "https://xteam.test",
            "CORS_ALLOW_METHODS": "GET,POST",
            "CORS_ALLOW_HEADERS": "Authorization,Content-Type",
            "rate_limit_enabled": "true",
            "rate_limit_requests_per_minute": "60",
            "ACCESS_TOKEN_EXPIRE_MINUTES": "15",
            "database_pool_size": "3",
            "database_max_overflow": "2",
            "REDIS_CACHE_URL": self.redis_url("cache"),
            "REDIS_SESSIONS_URL": self.redis_url("sessions"),
            "REDIS_BLACKLIST_URL": self.redis_url("blacklist"),
            "CELERY_BROKER_URL": self.redis_url("queue"),
            "CELERY_RESULT_BACKEND": self.redis_url("queue", 1),
            "max_upload_size_mb": "1",
            "UPSTREAM_TIMEOUT_SECONDS": "0.5",
            "UPSTREAM_MAX_RETRIES": "2",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
