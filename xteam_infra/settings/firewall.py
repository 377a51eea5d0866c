"""Settings of the firewall layer."""

from ipaddress import ip_network
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from xteam_infra.settings.model import LayerSettings


class InboundRule(BaseModel):
    """One opening that no layer declares."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    port: int = Field(ge=1, le=65535)
    """TCP port."""
    sources: tuple[str, ...]
    """Networks (CIDR) that may reach it."""
    comment: str
    """Why: it stands in the ruleset."""
    groups: tuple[str, ...] = ()
    """Only on hosts of these groups. Empty: on all."""

    @field_validator("sources")
    @classmethod
    def _narrow(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(ip_network(source).prefixlen == 0 for source in value):
            raise ValueError("at least one network, each narrower than /0")
        return value


class FirewallSettings(LayerSettings):
    """group_data/firewall.py"""

    layer: ClassVar[str] = "firewall"

    extra_inbound: tuple[InboundRule, ...] = ()
    """Openings beyond those the layers declare: {"port": 9999, "sources": ("10.0.0.0/24",), "comment": "..."}."""
    firewall_confirm_seconds: int = Field(30, ge=10, le=600)
    """A new ruleset is taken back after this many seconds unless a fresh SSH connection has succeeded."""
