"""Which of this host's workers run but take no tasks: python -m xteam_operator.liveness NAME ...

Prints the silent names, one a line; nothing when all answer, and nothing while the broker itself can't be reached:
a restart would not help then. A worker whose processes are all busy does answer.
"""

import argparse
import socket
import sys

from celery.app.utils import find_app
from kombu.exceptions import OperationalError
from xteam_operator import settings

# Seconds to wait for answers: the first time, and once more for those that gave none.
PATIENCE = (3, 10)


def silent(names: list[str]) -> list[str]:
    """The names whose node answers no ping. Raises what the broker's client raises when the broker is away."""
    app = find_app(settings.read()["app"])
    nodes = {f"{name}@{socket.gethostname()}": name for name in names}
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=10)
        for seconds in PATIENCE:
            if nodes:
                for answer in app.control.ping(list(nodes), timeout=seconds, connection=connection) or []:
                    for node in answer:
                        nodes.pop(node, None)
    return sorted(nodes.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m xteam_operator.liveness", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="worker units of this host")
    try:
        for name in silent(parser.parse_args().names):
            print(name)
    except (OperationalError, OSError) as error:
        print(f"the broker can't be reached, nothing is known: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
