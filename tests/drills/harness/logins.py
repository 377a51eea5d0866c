"""A program that does nothing but log in to PostgreSQL, with what the application's environment names."""

from dataclasses import dataclass
from pathlib import Path

from xteam_infra.plan.needs import CA_PATH

LOOP = Path(__file__).with_name("logins.sh")
UNIT = "xteam-drill-logins"
FILES = "/run/xteam-drill-logins"
POOLER, ROUTER = "6432", "5440"


@dataclass(frozen=True)
class Login:
    """at: seconds since 1970. whose: "present" (named by the environment then) or "first" (when it all began)."""

    at: float
    whose: str
    user: str
    port: str
    said: str

    @property
    def good(self) -> bool:
        """Whether the server let it in."""
        return self.said == "ok"


class Logins:
    """Logs in on `host` without pause, through PgBouncer and past it, until asked for the result."""

    def __init__(self, host, estate, environment: str):
        self.host = host
        self.stop()
        words = {
            "PGHOST": estate.fqdn("postgres"),
            "PGHOSTADDR": "127.0.0.1",
            "PGDATABASE": estate.postgres.POSTGRES_DB,
            "PGSSLMODE": "verify-ca",
            "PGSSLROOTCERT": CA_PATH,
            "PGCONNECT_TIMEOUT": "10",
            "PORTS": f'"{POOLER} {ROUTER}"',
            "ENVIRONMENT": environment,
            "STOP": f"{FILES}.stop",
        }
        host.run_with_stdin(f"cat > {FILES}.env", "".join(f"{key}={value}\n" for key, value in words.items()))
        host.run_with_stdin(f"cat > {FILES}.sh", LOOP.read_text())
        host.check_output(
            f"systemd-run -q --unit {UNIT} -p RemainAfterExit=yes -p EnvironmentFile={FILES}.env"
            f" -p StandardOutput=truncate:{FILES}.result bash {FILES}.sh"
        )

    def more(self, eventually, count: int = 20) -> None:
        """Wait for so many logins from now on."""
        lines = f"wc -l < {FILES}.result; true"
        before = int(self.host.run(lines).stdout or 0)
        eventually(lambda: int(self.host.run(lines).stdout or 0) >= before + count, seconds=90, interval=0.5)

    def result(self, eventually) -> list[Login]:
        """Tell it to stop; every login in order."""
        self.host.check_output(f"touch {FILES}.stop")
        state = f"systemctl show -p SubState --value {UNIT}; true"
        eventually(lambda: self.host.run(state).stdout.strip() != "running", seconds=90, interval=1)
        lines = self.host.check_output(f"cat {FILES}.result").splitlines()
        self.stop()
        return [Login(float(at), whose, user, port, said) for at, whose, user, port, said in map(_parts, lines)]

    def stop(self) -> None:
        """End it, and take back what it left on the host."""
        self.host.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*; true")


def _parts(line: str) -> list[str]:
    return line.split(" ", 4)
