"""Operations: idempotent changes with a real comparison, each safe to repeat after a failed run.

Every call gives `name=`: pyinfra prints the arguments of an operation without one.
"""

from xteam_infra.engine.operations.barrier import barrier
from xteam_infra.engine.operations.ensure import ensure, started
from xteam_infra.engine.operations.files import HostDirectory, HostFile, directories, remove, write
from xteam_infra.engine.operations.packages import packages
from xteam_infra.engine.operations.services import service, stopped

__all__ = [
    "HostDirectory",
    "HostFile",
    "barrier",
    "directories",
    "ensure",
    "packages",
    "remove",
    "service",
    "started",
    "stopped",
    "write",
]
