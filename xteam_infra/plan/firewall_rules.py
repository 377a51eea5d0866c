"""What the firewall opens on a host, rendered from the plan."""

from dataclasses import dataclass
from ipaddress import ip_network

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.compose import plans
from xteam_infra.plan.needs import ListenPort


@dataclass(frozen=True)
class FirewallRule:
    """One port (or a protocol without ports, by its number) and the networks that may reach it. world: anyone.

    most: connections that one address may have open to it; 0: any number.
    """

    protocol: str
    port: int
    comment: str
    v4: tuple[str, ...]
    v6: tuple[str, ...]
    world: bool
    most: int


def firewall_rules(estate: Estate, machine: Machine) -> list[FirewallRule]:
    """The inbound openings of `machine` in port order: the layers' listens, then extra_inbound."""
    found = []
    for listen in plans(estate)[machine.name].listens:
        if listen.sources != ("local",):
            found.append(_firewall_rule(estate, listen))
    for rule in estate.firewall.extra_inbound:
        if not rule.groups or set(rule.groups) & set(machine.groups):
            found.append(_firewall_rule(estate, ListenPort(rule.port, rule.comment, rule.sources)))
    return [one for one in found if one.world or one.v4 or one.v6]


def _firewall_rule(estate: Estate, listen: ListenPort) -> FirewallRule:
    networks: set[str] = set()
    for source in listen.sources:
        if source == "management":
            networks |= set(estate.all.management_networks)
        elif source not in ("world", "local"):
            networks |= {machine.address for machine in estate.members(source)} or _as_network(source)
    parsed = sorted((ip_network(network) for network in networks), key=str)
    v4 = tuple(str(network) for network in parsed if network.version == 4)
    v6 = tuple(str(network) for network in parsed if network.version == 6)
    most = estate.firewall.firewall_connections_per_peer if listen.most is None else listen.most
    # What the world may have open is the edges' to say, and a protocol without ports has no connections.
    unlimited = "world" in listen.sources or listen.protocol != "tcp"
    return FirewallRule(
        listen.protocol, listen.port, listen.purpose, v4, v6, "world" in listen.sources, 0 if unlimited else most
    )


def _as_network(source: str) -> set[str]:
    return {source} if source[:1].isdigit() or ":" in source else set()
