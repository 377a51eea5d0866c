"""What PostgreSQL's tuning and its pooler give: paired pgbench runs, as ratios.

    python -m bench.postgres tuning                     this project's parameters / Debian's, on one host
    python -m bench.postgres observation                with / without the libraries that count, audit and explain
    python -m bench.postgres pooling                    200 clients through PgBouncer / directly

Prints a Markdown table, and keeps each run in build/bench/postgres-NAME.json. `tuning` takes the parameters of the
inventory's settings and of the host's hardware, with data checksums; Debian's cluster has neither. `pooling` loads the
estate's own database: not for production. It needs postgres_max_connections for all clients at once. For that run:

    pyinfra INVENTORY deploys/postgres.py --data postgres_max_connections=260
"""

import argparse
import base64
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.lab import Bench, BenchError
from bench.pairs import PairError, keep, paired, table, transactions
from bench.scratch import BIN, Scratch, running
from checklist.hosts import CheckedHost
from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.layers.postgres.tuning import LIBRARIES, Hardware, of_host, parameters
from xteam_infra.plan.needs import CA_PATH

DIRECTORY = f"{DISTRIBUTION.postgres_home}/xteam-bench"
LOADS = {"select": "-S -c 4 -j 2", "tpc-b": "-c 4 -j 2"}
CLIENTS = "-c {clients} -j 2"
POOLED = {
    "select, connections kept": f"-S {CLIENTS}",
    "tpc-b, connections kept": CLIENTS,
    "select, a connection each": f"-S -C {CLIENTS}",
}
POOLER, ROUTER = 6432, 5440
PROGRAM = "/run/xteam-bench-pgbench"


def tuning(bench: Bench, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Both clusters in the place where the estate's own data is."""
    host = _database_host(bench, options)
    tuned = Scratch(host, f"{DIRECTORY}-tuned", 55501, _ours(bench, host), "--data-checksums")
    return _compared(tuned, Scratch(host, f"{DIRECTORY}-stock", 55502, {}), options)


def observation(bench: Bench, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What it costs to count, audit and explain statements: the project's parameters with and without its libraries."""
    host = _database_host(bench, options)
    ours = _ours(bench, host)
    libraries = tuple(f"{name}." for name in LIBRARIES)
    bare = {name: value for name, value in ours.items() if not name.startswith(libraries)}
    bare |= {"shared_preload_libraries": "", "track_io_timing": "off"}
    observed = Scratch(host, f"{DIRECTORY}-observed", 55501, ours, "--data-checksums")
    return _compared(observed, Scratch(host, f"{DIRECTORY}-bare", 55502, bare, "--data-checksums"), options)


def _database_host(bench: Bench, options: argparse.Namespace) -> CheckedHost:
    return bench.hosts[options.host] if options.host else bench.cluster.members[0]


def _ours(bench: Bench, host: CheckedHost) -> dict[str, str | int]:
    """The project's parameters on this host, without TLS: the clusters listen on sockets alone."""
    settings = bench.estate.postgres
    cores, disk = host.check_output("nproc; df -Pm /var/lib/postgresql | awk 'NR==2 {print $2}'").split()
    ours = {**parameters(settings, archived=False), **of_host(settings, Hardware(int(cores), int(disk)))}
    return {name: value for name, value in ours.items() if not name.startswith("ssl")}


def _compared(left: Scratch, right: Scratch, options: argparse.Namespace) -> list[dict[str, Any]]:
    with running(left, right, scale=options.scale):
        return [
            paired(
                name,
                partial(left.load, load, options.seconds),
                partial(right.load, load, options.seconds),
                options.pairs,
            )
            for name, load in LOADS.items()
        ]


def pooling(bench: Bench, options: argparse.Namespace) -> list[dict[str, Any]]:
    """As the application, from its host, through its pooler and past it; the tables are gone afterwards."""
    cluster, clients = bench.cluster, bench.hosts.group("app") or bench.hosts.group("worker")
    if not clients:
        raise BenchError("no host of the application in the inventory")
    leader = bench.hosts[cluster.present_leader()]
    _refuse_too_few_connections(bench, leader, options.clients)
    client = clients[0]
    make = (
        f"env PGOPTIONS='-c role=migrator' {BIN}/pgbench -i -q -s {options.scale} {bench.estate.postgres.POSTGRES_DB}"
    )
    try:
        leader.check_output(f"cd / && runuser -u postgres -- {make} 2>&1")
        packed = base64.encodebytes(_program(leader)).decode()
        client.run_with_stdin(f"base64 -d > {PROGRAM} && chmod 755 {PROGRAM}", packed)
        return [
            paired(
                name,
                _through(bench, client, POOLER, load.format(clients=options.clients), options.seconds),
                _through(bench, client, ROUTER, load.format(clients=options.clients), options.seconds),
                options.pairs,
            )
            for name, load in POOLED.items()
        ]
    finally:
        client.run(f"rm -f {PROGRAM}")
        drop = "DROP TABLE IF EXISTS pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers"
        cluster.sql(bench.hosts[cluster.present_leader()], drop)


def _refuse_too_few_connections(bench: Bench, leader: CheckedHost, clients: int) -> None:
    used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    free = int(bench.cluster.sql(leader, f"SELECT current_setting('max_connections')::int - ({used})"))
    if free < clients + 5:
        raise BenchError(
            f"{clients} clients at once, and room for {free}: pyinfra {bench.inventory} deploys/postgres.py "
            f"--data postgres_max_connections={clients + 60}"
        )


def _program(host: CheckedHost) -> bytes:
    """pgbench itself: it comes with the server, which no application host has."""
    return base64.b64decode(host.check_output(f"base64 {BIN}/pgbench"))


def _through(bench: Bench, client: CheckedHost, port: int, load: str, seconds: int) -> Callable[[], float]:
    settings = bench.estate.postgres
    name = bench.estate.fqdn("pgbouncer" if port == POOLER else "postgres")
    conninfo = (
        f"host={name} port={port} user={settings.POSTGRES_USER} dbname={settings.POSTGRES_DB} sslmode=verify-full "
        f"sslrootcert={CA_PATH}"
    )
    command = f"IFS= read -r PGPASSWORD; export PGPASSWORD; {PROGRAM} -n {load} -T {seconds} '{conninfo}' 2>&1"

    def run() -> float:
        done = client.run_with_stdin(command, f"{bench.secret(settings.POSTGRES_PASSWORD.name)}\n", timeout=600)
        return transactions(done.stdout)

    return run


MEASURES = {
    "tuning": (tuning, "tuned / stock", 4),
    "observation": (observation, "observed / not", 4),
    "pooling": (pooling, "pooled / direct", 20),
}


def main() -> int:
    """The exit status: 0, or 2 when it could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.postgres", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--inventory", default="inventories/lab.py", help="default: %(default)s")
    parser.add_argument("--host", help="of tuning, observation: a database host; default: the first")
    parser.add_argument("--clients", type=int, default=200, help="of pooling; default: %(default)s")
    parser.add_argument("--pairs", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, help="of each run; default: 4, of pooling 20: all clients connect first")
    parser.add_argument("--scale", type=int, default=20, help="of pgbench's tables, 15 MiB each; default: %(default)s")
    options = parser.parse_args()
    measure, title, seconds = MEASURES[options.what]
    options.seconds = options.seconds or seconds
    try:
        with Bench(options.inventory) as bench:
            runs = measure(bench, options)
    except (BenchError, PairError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    keep(f"postgres-{options.what}", {"scale": options.scale, "seconds": options.seconds, "runs": runs})
    print(table(title, runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
