"""Ways out of a host that only show when secrets and hosts are asked."""

from collections.abc import Callable

from xteam_infra.estate import Estate
from xteam_infra.layers.app.needs import tracker
from xteam_infra.layers.firewall.outbound_facts import HostServices
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import Reach, as_networks
from xteam_infra.plan.outbound import Outbound, way_of
from xteam_infra.secrets import Secret


def error_tracker(estate: Estate, machine: Machine, value_of: Callable[[Secret], str]) -> tuple[Reach, ...]:
    """The application's way to its error tracker. value_of: reads the secret that holds the address."""
    if not {"app", "worker"} & set(machine.groups) or not estate.app.SENTRY_DSN:
        return ()
    return (tracker(value_of(estate.app.SENTRY_DSN)),)


def names_and_time(estate: Estate, found: HostServices) -> list[Outbound]:
    """Name servers for everybody, time servers for the time service. found: what the host has."""
    servers = estate.firewall.name_servers or found.name_servers
    addresses = tuple(network for server in servers for network in as_networks(server))
    ways = [Reach("names", (53,), (), addresses, protocol) for protocol in ("udp", "tcp") if addresses]
    if found.clocks:
        ways.append(Reach("time", (123,), found.clocks, estate.firewall.time_servers, "udp"))
    return [way_of(one) for one in ways]
