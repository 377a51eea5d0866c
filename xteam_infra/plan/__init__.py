"""The host plan: what each layer needs of a host, put together.

Firewall, sysctls, certificates and accounts are rendered from it.
"""

from xteam_infra.plan.host_plan import HostPlan
from xteam_infra.plan.needs import (
    CA_PATH,
    INTERNAL_CA,
    PKI_DIRECTORY,
    TLS_CIPHERS,
    Account,
    Certificate,
    HostRequirements,
    ListenPort,
    trust_path,
)

__all__ = [
    "CA_PATH",
    "INTERNAL_CA",
    "PKI_DIRECTORY",
    "TLS_CIPHERS",
    "Account",
    "Certificate",
    "HostPlan",
    "HostRequirements",
    "ListenPort",
    "trust_path",
]
