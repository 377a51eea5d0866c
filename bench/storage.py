"""What encryption at rest costs: pgbench on two clusters of one host and volume, in the encrypted directory and beside
it, in turn.

    python -m bench.storage --inventory inventories/lab.py --host db1

Prints the ratio encrypted/plain as a Markdown table, and keeps each run in build/bench/storage.json. Needs a host
whose tree is laid and open; removes what it makes.
"""

import argparse
import sys
from functools import partial

from bench.lab import Bench, BenchError
from bench.pairs import PairError, keep, paired, table
from bench.scratch import Scratch, running
from xteam_infra.distribution import DISTRIBUTION

TREE, PLAIN = f"{DISTRIBUTION.postgres_home}/xteam-bench", "/srv/data/xteam-bench"
# Little of the set fits in: pages come and go through the file system.
PARAMETERS: dict[str, str | int] = {"shared_buffers": "32MB", "max_wal_size": "4GB"}
LOADS = {"select": "-S -c 4 -j 2", "tpc-b": "-c 4 -j 2"}


def main() -> int:
    """The exit status: 0, or 2 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inventory", default="inventories/lab.py", help="default: %(default)s")
    parser.add_argument("--host", help="a database host; default: the first")
    parser.add_argument("--pairs", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=4, help="of each run; default: %(default)s")
    parser.add_argument("--scale", type=int, default=20, help="of pgbench's tables, 15 MiB each; default: %(default)s")
    options = parser.parse_args()
    try:
        with Bench(options.inventory) as bench:
            host = bench.hosts[options.host] if options.host else bench.cluster.members[0]
            tree, plain = (
                Scratch(host, directory, port, PARAMETERS, "--data-checksums")
                for directory, port in ((TREE, 55501), (PLAIN, 55502))
            )
            with running(tree, plain, scale=options.scale):
                runs = [
                    paired(
                        name,
                        partial(tree.load, load, options.seconds),
                        partial(plain.load, load, options.seconds),
                        options.pairs,
                    )
                    for name, load in LOADS.items()
                ]
    except (BenchError, PairError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    keep("storage", {"scale": options.scale, "seconds": options.seconds, "runs": runs})
    print(table("encrypted / plain", runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
