"""Settings of the whole estate."""

import re
from ipaddress import ip_network
from typing import ClassVar

from pydantic import field_validator

from xteam_infra.settings.model import LayerSettings

HOST_NAME = re.compile(r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")
PLACEHOLDERS = ("example.com", "example.org", "example.net", "CHANGE-ME", "change-me")


class AllSettings(LayerSettings):
    """group_data/all.py"""

    layer: ClassVar[str] = "all"

    domain: str
    """The public name users type, such as "xteam.example.com"."""
    internal_domain: str = "xteam.internal"
    """Suffix of the names hosts use for each other; served by /etc/hosts, never by public DNS."""
    secrets_store: str
    """Where secrets are: "aws:REGION/PREFIX" or "file:PATH"."""
    management_networks: tuple[str, ...]
    """Networks (CIDR) that may reach SSH: your controller, your bastion."""

    @field_validator("domain", "internal_domain")
    @classmethod
    def _host_name(cls, value: str) -> str:
        if not HOST_NAME.match(value):
            raise ValueError("a lower-case host name with at least one dot")
        return value

    @field_validator("management_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            if ip_network(network).prefixlen == 0:
                raise ValueError("networks narrower than /0: the whole internet may not reach SSH")
        return value
