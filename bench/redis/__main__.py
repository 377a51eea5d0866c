"""Redis, measured in a lab.

    python -m bench.redis failover --fault power --runs 5      power loss of a master's host; cut, kill: see --help
    python -m bench.redis backup --keys 1000000                take, copy, prove and restore so many keys
    python -m bench.redis tls --pairs 5                        what TLS, the ACL and a second io-thread cost or bring
    python -m bench.redis fsync --runs 5                       what an answer after the sync costs, on the host's disk
    python -m bench.redis failover --summary                   the table of all runs kept in build/bench/

Runs are added to the file one by one, so a measurement can be taken in parts.
"""

import argparse
import signal
import sys

import pytest

from bench.lab import Bench, BenchError
from bench.redis import backup, failover, fsync, tls


def main() -> int:
    """The exit status: 0, 1 when something was lost that must not be, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.redis", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inventory", default="inventories/lab.py", help="default: %(default)s")
    measurements = parser.add_subparsers(required=True, metavar="MEASUREMENT")
    for module in (failover, backup, tls, fsync):
        about = (module.__doc__ or "").partition("\n")[0]
        one = measurements.add_parser(module.__name__.rpartition(".")[2], help=about, description=about)
        module.arguments(one)
        one.add_argument("--summary", action="store_true", help="only print the table of what is kept")
        one.set_defaults(module=module)
    options = parser.parse_args()
    module = options.module
    if options.summary:
        print(module.summary(module.RESULTS.kept()))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end mends what is broken, too
    try:
        with Bench(options.inventory) as bench:
            bad = module.measure(bench, options)
    except (BenchError, AssertionError, pytest.skip.Exception) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    print(module.summary(module.RESULTS.kept()))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
