"""The host plan: what each layer needs of a host, put together.

Firewall, sysctls, certificates and accounts are rendered from it.
"""

from importlib import import_module

from xteam_infra.plan.host_plan import HostPlan
from xteam_infra.plan.needs import (
    CA_PATH,
    INTERNAL_CA,
    PKI_DIRECTORY,
    TLS_CIPHERS,
    Account,
    Certificate,
    Listen,
    Needs,
    trust_path,
)

LAYERS = (
    "base",
    "firewall",
    "certificates",
    "storage",
    "etcd",
    "postgres",
    "backup",
    "redis",
    "redis_backup",
    "router",
    "app",
    "celery",
    "files",
    "edge",
    "logs",
)

__all__ = [
    "CA_PATH",
    "INTERNAL_CA",
    "LAYERS",
    "PKI_DIRECTORY",
    "TLS_CIPHERS",
    "Account",
    "Certificate",
    "HostPlan",
    "Listen",
    "Needs",
    "plan_host",
    "trust_path",
]


def plan_host(estate, machine) -> HostPlan:
    """Put together what every layer needs of `machine`."""
    needs = {layer: import_module(f"xteam_infra.layers.{layer}.needs").needs(estate, machine) for layer in LAYERS}
    return HostPlan(machine.name, needs)
