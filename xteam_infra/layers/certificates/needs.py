"""What the certificates layer needs of a host: nothing of its own; it carries out what the other layers need."""

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import PKI_DIRECTORY, HostRequirements

# Names of before, when one certificate was a server's and a client's. In use until every layer has its new files.
FORMER = tuple(f"{PKI_DIRECTORY}/{name}.{end}" for name in ("postgres", "pgbackrest") for end in ("crt", "key"))


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """Nothing."""
    return HostRequirements()
