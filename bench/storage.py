"""What encryption at rest costs: pgbench on two clusters of one host and volume, in the tree and beside it, in turn.

    python -m bench.storage inventories/lab.py db1 --pairs 5 --seconds 12

Prints the ratio encrypted/plain of each pair and the median. Only ratios of neighbouring runs mean anything on a
machine that others use. Needs a host whose tree is laid and open; removes what it makes.
"""

import argparse
import statistics
from shlex import quote

from checklist.evidence import Recorder, Redactor
from checklist.hosts import CheckedHost, Hosts
from checklist.inventory import read

BIN = "/usr/lib/postgresql/17/bin"
TREE, PLAIN = "/var/lib/postgresql/17/xteam-bench", "/srv/data/xteam-bench"
PORTS = {TREE: 55501, PLAIN: 55502}
# Little of the set fits in: pages come and go through the file system.
OPTIONS = "-c shared_buffers=32MB -c listen_addresses= -c unix_socket_directories=/tmp -c max_wal_size=4GB"
MODES = {"select": "-S", "tpc-b": ""}


def main() -> None:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__.split("\n\n")[0])
    parser.add_argument("inventory")
    parser.add_argument("host")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--scale", type=int, default=20)
    options = parser.parse_args()
    hosts = Hosts(read(options.inventory), Recorder(Redactor()))
    host = hosts[options.host]
    try:
        for directory in PORTS:
            prepare(host, directory, options.scale)
        for mode in ("select", "tpc-b"):
            report(mode, [pair(host, mode, options.seconds, number) for number in range(options.pairs)])
    finally:
        for directory in PORTS:
            as_postgres(host, f"{BIN}/pg_ctl -D {directory} -m immediate stop || true")
            host.check_output(f"rm -rf {directory}")


def prepare(host: CheckedHost, directory: str, scale: int) -> None:
    """A cluster with pgbench's tables."""
    host.check_output(f"rm -rf {directory} && install -d -o postgres -g postgres -m 700 {directory}")
    as_postgres(host, f"{BIN}/initdb -D {directory} --data-checksums -A trust -N >/dev/null")
    start = (
        f"{BIN}/pg_ctl -w -D {directory} -o {quote(f'-p {PORTS[directory]} {OPTIONS}')} -l /dev/null start >/dev/null"
    )
    as_postgres(host, start)
    as_postgres(host, f"{BIN}/pgbench -h /tmp -p {PORTS[directory]} -i -q -s {scale} postgres 2>&1 | tail -1")


def pair(host: CheckedHost, mode: str, seconds: int, number: int) -> tuple[float, float]:
    """Transactions a second, encrypted and plain; who goes first alternates."""
    found = {}
    for directory in (TREE, PLAIN) if number % 2 else (PLAIN, TREE):
        connect = f"-h /tmp -p {PORTS[directory]}"
        as_postgres(host, f"psql {connect} -qc CHECKPOINT postgres")
        said = as_postgres(
            host, f"{BIN}/pgbench {connect} -n -c 4 -j 2 -T {seconds} {MODES[mode]} postgres 2>/dev/null"
        )
        found[directory] = float(said.split("tps = ")[1].split()[0])
    return found[TREE], found[PLAIN]


def report(mode: str, pairs: list[tuple[float, float]]) -> None:
    """Print each pair and the median of their ratios."""
    ratios = [encrypted / plain for encrypted, plain in pairs]
    for encrypted, plain in pairs:
        print(f"{mode}: encrypted {encrypted:.0f} tps, plain {plain:.0f} tps, ratio {encrypted / plain:.2f}")
    print(f"{mode}: median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def as_postgres(host: CheckedHost, command: str) -> str:
    """Run a shell command as the server's account and return what it prints."""
    return host.run_with_stdin("cd / && runuser -u postgres -- sh -es", command, timeout=600).stdout


if __name__ == "__main__":
    main()
