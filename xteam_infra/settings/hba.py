"""Rules of PostgreSQL's pg_hba that a user adds: who may come from where as whom, and how they prove it."""

from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Name = Annotated[str, Field(pattern=r"^(all|[a-z_][a-z0-9_]{0,62})$")]
# Roles with power over the server or the cluster. They come in locally or by their own certificate, and no other way.
POWERFUL = ("postgres", "replicator", "rewind", "pgbouncer", "backup")


class HbaRule(BaseModel):
    """One rule of access. Every connection it lets in is TLS 1.3."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str = Field(pattern=r"^[^\n\r]{3,100}$")
    """What it is for, in one line: it stands above the rule on every member."""
    roles: tuple[Name, ...] = Field(min_length=1)
    """Roles that may log in; "all" does not include those with power over the server."""
    databases: tuple[Name, ...] = Field(min_length=1)
    """Databases they may log in to."""
    sources: tuple[str, ...] = Field(min_length=1)
    """Where from: groups of the inventory, addresses, or networks such as "10.9.0.0/24". The firewall follows."""
    method: Literal["scram-sha-256", "cert", "reject"] = "scram-sha-256"
    """How they prove it: a password, a client certificate whose common name is the role, or not at all."""

    @field_validator("roles")
    @classmethod
    def _no_power(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if taken := sorted(set(POWERFUL) & set(value)):
            raise ValueError(f"roles without power over the server; {', '.join(taken)} has its own rules")
        return value

    @field_validator("sources")
    @classmethod
    def _narrow(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wide := [source for source in value if is_network(source) and ip_network(source).prefixlen == 0]:
            raise ValueError(f"networks narrower than /0, not {', '.join(wide)}")
        return value

    def unknown_sources(self, groups: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Each source that is neither one of `groups` nor a network, and a hint."""
        for source in self.sources:
            if source not in groups and not is_network(source):
                near = get_close_matches(source, groups, 1)
                yield source, f"; did you mean {near[0]}?" if near else ""


def is_network(source: str) -> bool:
    """Whether this is an address or a network, without host bits."""
    try:
        ip_network(source)
    except ValueError:
        return False
    return True
