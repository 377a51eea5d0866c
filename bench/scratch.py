"""PostgreSQL clusters of a measurement's own, on a host of the estate beside its cluster, gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

from bench.pairs import PairError, transactions
from checklist.hosts import CheckedHost
from xteam_infra.distribution import DISTRIBUTION

BIN = DISTRIBUTION.postgres_programs
SOCKETS = "/tmp"  # noqa: S108 - pgbench's and the servers' private ports are what tells them apart
SECONDS = 900


class Scratch:
    """One cluster in `directory`, which is made. initdb: its options. parameters: lines of its configuration."""

    def __init__(
        self, host: CheckedHost, directory: str, port: int, parameters: dict[str, str | int], initdb: str = ""
    ):
        self.host, self.directory, self.port = host, directory, port
        self.initdb = initdb
        self.parameters = {
            **parameters,
            "port": port,
            "listen_addresses": "",
            "unix_socket_directories": SOCKETS,
            "ssl": "off",
        }

    def start(self, scale: int) -> None:
        """Make it, with pgbench's tables."""
        self.host.check_output(f"rm -rf {self.directory} && install -d -o postgres -g postgres -m 700 {self.directory}")
        self.run(f"{BIN}/initdb -D {self.directory} {self.initdb} -A trust -N >/dev/null")
        lines = "".join(f"{key} = '{value}'\n" for key, value in self.parameters.items())
        self.run(f"printf %s {quote(lines)} >> {self.directory}/postgresql.conf")
        self.run(f"{BIN}/pg_ctl -w -D {self.directory} -l {self.directory}/log start >/dev/null")
        self.run(f"{BIN}/pgbench -h {SOCKETS} -p {self.port} -i -q -s {scale} postgres 2>&1 | tail -1")

    def load(self, options: str, seconds: int) -> float:
        """Transactions a second under pgbench, after a checkpoint."""
        connect = f"-h {SOCKETS} -p {self.port}"
        self.run(f"{BIN}/psql -X {connect} -qc CHECKPOINT postgres")
        return transactions(self.run(f"{BIN}/pgbench {connect} -n {options} -T {seconds} postgres 2>&1"))

    def remove(self) -> None:
        """Stop it, and take it away with all its data."""
        self.host.run(
            f"runuser -u postgres -- {BIN}/pg_ctl -D {self.directory} -m immediate stop; rm -rf {self.directory}"
        )

    def run(self, command: str) -> str:
        """Run a shell command as the server's account; what it prints. Raises PairError when it fails."""
        done = self.host.run_with_stdin(
            "cd / && runuser -u postgres -- bash -euo pipefail -s", command, timeout=SECONDS
        )
        if done.rc:
            log = self.host.run(f"tail -n 5 {self.directory}/log 2>/dev/null; true").stdout
            raise PairError(f"{command.split()[0]} on {self.host.name} ended with {done.rc}: {done.stderr}{log}")
        output: str = done.stdout
        return output


@contextmanager
def running(*clusters: Scratch, scale: int) -> Iterator[None]:
    """All of them, for the time of a `with`."""
    try:
        for cluster in clusters:
            cluster.start(scale)
        yield
    finally:
        for cluster in clusters:
            cluster.remove()
