"""Where all hosts wait for each other."""

from pyinfra import host
from pyinfra.api import operation

from xteam_infra.engine.commands import Commands


@operation()
def barrier() -> Commands:
    """Every host waits here: pyinfra orders operations by generation, not by the line they stand on."""
    host.noop("barrier")
    return
    yield
