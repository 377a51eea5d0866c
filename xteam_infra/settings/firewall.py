"""Settings of the firewall layer."""

from ipaddress import ip_address, ip_network
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from xteam_infra.settings.model import LayerSettings

# What may stand in a ruleset between quotes.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .,:/-]*$", max_length=100)]


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


class OutboundRule(BaseModel):
    """One way out that no layer declares."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    port: int = Field(ge=1, le=65535)
    """Port."""
    protocol: Literal["tcp", "udp"] = "tcp"
    """Protocol."""
    destinations: tuple[str, ...] = ()
    """Networks (CIDR) that may be reached. Empty: any."""
    accounts: tuple[Name, ...]
    """Accounts whose processes may reach them; they must be on the host."""
    comment: Name
    """Why: it stands in the ruleset."""
    groups: tuple[str, ...] = ()
    """Only on hosts of these groups. Empty: on all."""

    @field_validator("accounts")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError('at least one account, such as ("root",)')
        return value

    @field_validator("destinations")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return networks(value)


def networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """The networks as they are. Raises ValueError for what is none."""
    for network in value:
        ip_network(network)
    return value


class FirewallSettings(LayerSettings):
    """group_data/firewall.py"""

    layer: ClassVar[str] = "firewall"

    extra_inbound: tuple[InboundRule, ...] = ()
    """Openings beyond those the layers declare: {"port": 9999, "sources": ("10.0.0.0/24",), "comment": "..."}."""
    extra_outbound: tuple[OutboundRule, ...] = ()
    """Ways out beyond those the layers declare: {"port": 587, "accounts": ("root",), "comment": "..."}."""
    mirror_networks: tuple[str, ...] = ()
    """Where Debian's packages come from (CIDR): your mirrors, or the proxy before them. Empty: anywhere, for addresses
    of public mirrors move."""
    mirror_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (80, 443)
    """Their ports. Processes of root and of apt may reach them."""
    name_servers: tuple[str, ...] = ()
    """Addresses of the name servers hosts may ask. Empty: those each host's /etc/resolv.conf names at the deploy."""
    time_servers: tuple[str, ...] = ()
    """Networks (CIDR) of the time servers. Empty: anywhere; processes of the host's time service alone reach them."""
    metadata_accounts: tuple[Name, ...] = ()
    """Accounts whose processes may ask the cloud's metadata service (169.254.169.254, fd00:ec2::254), which hands out
    the host's credentials. Empty: nobody."""
    firewall_connections_per_peer: int = Field(1000, ge=100, le=20_000)
    """Connections one host of the estate may have open to one port of another; more are refused. Some services
    have lower limits of their own (docs/operations/firewall.md)."""
    firewall_confirm_seconds: int = Field(30, ge=10, le=600)
    """A new ruleset is taken back after this many seconds unless a fresh SSH connection has succeeded."""

    @field_validator("mirror_networks", "time_servers")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return networks(value)

    @field_validator("name_servers")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            ip_address(address)
        return value
