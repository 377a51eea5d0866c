"""Say whether a configuration file of Patroni is valid, by Patroni's own rules, without the network.

    python3 -I validate.py FILE

`patroni --validate-config` connects to every member of etcd: with one of them down no file is valid, and nothing could
be changed on the others. Exit status 0; or 1 with what is wrong.
"""

import socket
import sys
from typing import Any


class Offline:
    """Stands for the module `socket` in Patroni's validator: everybody answers, and no packet leaves this host."""

    SOCK_STREAM = socket.SOCK_STREAM
    AI_PASSIVE = socket.AI_PASSIVE
    gaierror = socket.gaierror

    def getaddrinfo(self, host: str | None, *_more: Any) -> list[tuple[Any, ...]]:
        """Where a name leads does not matter, nobody goes there. An address must be one."""
        if host is None or not host.replace(".", "").isdigit():
            return [(socket.AF_INET, self.SOCK_STREAM, 0, "", (host or "0.0.0.0", 0))]  # noqa: S104 - nobody listens
        return socket.getaddrinfo(host, None, 0, self.SOCK_STREAM, 0, socket.AI_NUMERICHOST)

    def socket(self, *_how: Any) -> "Offline":
        """One that is never connected."""
        return self

    def connect_ex(self, _where: Any) -> int:
        """0: there is somebody."""
        return 0

    def close(self) -> None:
        """Nothing was opened."""


def main() -> int:
    """Validate the file that the command line names."""
    import yaml
    from patroni import validator
    from patroni.config import Config
    from patroni.exceptions import ConfigParseError

    validator.socket = Offline()
    # Ports to listen on are in use, by the Patroni that runs.
    validator.populate_validate_params(ignore_listen_port=True)
    try:
        Config(sys.argv[1], validator=validator.schema)
    except ConfigParseError as error:
        print(error.value, file=sys.stderr)
    except yaml.MarkedYAMLError as error:
        print(f"{error.problem}{error.problem_mark}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
