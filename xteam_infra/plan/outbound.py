"""What processes of a host may connect to: the other hosts' ports that are for it, and what its layers reach outside.

Everything else is refused. Nothing here is about what stays on the host: that goes over loopback.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.compose import plans
from xteam_infra.plan.needs import ListenPort, Reach

# Accounts that Debian's packages make, and root, which every host has.
ACCOUNTS_OF_PACKAGES = {
    "etcd-server": "etcd",
    "haproxy": "haproxy",
    "pgbackrest": "postgres",
    "pgbouncer": "postgres",
    DISTRIBUTION.postgres_server: "postgres",
    "redis-server": "redis",
    "restic-rest-server": "restic-rest-server",
}
ALWAYS = ("root", "_apt")
# VRRP, as a protocol of IP.
PORTLESS = ("vrrp",)


@dataclass(frozen=True)
class Outbound:
    """One way out.

    accounts: whose processes; none: anybody's but those of `without`. v4, v6: where; anywhere: both are empty.
    ports: for a protocol without ports, its number.
    """

    protocol: str
    ports: tuple[int, ...]
    comment: str
    accounts: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()

    @property
    def anywhere(self) -> bool:
        """Whether the address does not matter."""
        return not self.v4 and not self.v6


def outbound(estate: Estate, machine: Machine, more: Iterable[Reach] = ()) -> list[Outbound]:
    """The ways out of `machine`: to the other hosts, to what its layers reach, to `more`, and extra_outbound."""
    own = [
        Reach(rule.comment, (rule.port,), rule.accounts, rule.destinations, rule.protocol)
        for rule in estate.firewall.extra_outbound
        if not rule.groups or set(rule.groups) & set(machine.groups)
    ]
    reaches = [*plans(estate)[machine.name].reaches, *more, *own]
    return [*_to_others(estate, machine), *(way_of(one) for one in reaches)]


def confined(estate: Estate, machine: Machine) -> tuple[str, ...]:
    """Accounts of `machine` that reach only what names them."""
    return tuple(account.name for account in plans(estate)[machine.name].accounts)


def _to_others(estate: Estate, machine: Machine) -> list[Outbound]:
    """One for each port and purpose, with the addresses of all hosts that listen there for this one."""
    addresses: dict[ListenPort, list[str]] = {}
    for other in estate.machines:
        if other.name == machine.name:
            continue
        for listen in plans(estate)[other.name].listens:
            if _is_for(listen, machine):
                found = addresses.setdefault(
                    ListenPort(listen.port, listen.purpose, (), protocol=listen.protocol, accounts=listen.accounts), []
                )
                found.append(other.address)
        for rule in estate.firewall.extra_inbound:
            listen = ListenPort(rule.port, rule.comment, rule.sources)
            if (not rule.groups or set(rule.groups) & set(other.groups)) and _is_for(listen, machine):
                addresses.setdefault(ListenPort(rule.port, rule.comment, ()), []).append(other.address)
    floating = estate.edge.edge_floating_address
    for listen, found in addresses.items():
        if listen.purpose in ("HTTP, redirected", "HTTPS") and floating:
            found.append(floating.partition("/")[0])
    there = {*ALWAYS, *confined(estate, machine)}
    there |= {
        ACCOUNTS_OF_PACKAGES[name] for name in plans(estate)[machine.name].packages if name in ACCOUNTS_OF_PACKAGES
    }
    ways = []
    for listen, found in sorted(addresses.items(), key=lambda pair: (pair[0].port, pair[0].purpose)):
        accounts = tuple(account for account in listen.accounts if account in there)
        if listen.accounts and not accounts:
            continue
        without = () if listen.accounts or listen.protocol in PORTLESS else confined(estate, machine)
        ways.append(_way(listen.protocol, (listen.port,), listen.purpose, accounts, without, found))
    return ways


def _is_for(listen: ListenPort, machine: Machine) -> bool:
    for source in listen.sources:
        if source == "world" or source in machine.groups:
            return True
        if (source[:1].isdigit() or ":" in source) and ip_address(machine.address) in ip_network(source):
            return True
    return False


def way_of(reach: Reach) -> Outbound:
    """A way out to what a service reaches."""
    return _way(reach.protocol, reach.ports, reach.purpose, reach.accounts, (), reach.networks)


def _way(
    protocol: str,
    ports: tuple[int, ...],
    comment: str,
    accounts: tuple[str, ...],
    without: tuple[str, ...],
    networks: Iterable[str],
) -> Outbound:
    parsed = sorted({ip_network(network) for network in networks}, key=str)
    v4 = tuple(str(network) for network in parsed if network.version == 4)
    v6 = tuple(str(network) for network in parsed if network.version == 6)
    return Outbound(protocol, ports, comment, accounts, without, v4, v6)
