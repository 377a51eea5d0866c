"""Where all hosts wait for each other."""

from pyinfra import host
from pyinfra.api import operation


@operation()
def barrier():
    """Every host waits here: pyinfra orders operations by generation, not by the line they stand on."""
    host.noop("barrier")
    return
    yield
