"""Whom a host asks for names and for the time."""

from ipaddress import ip_address
from typing import NamedTuple

from pyinfra.api import FactBase
from typing_extensions import override

# Accounts of the services that set a Debian host's clock.
CLOCKS = ("systemd-timesync", "_chrony", "ntpsec", "openntpd")


class HostServices(NamedTuple):
    """name_servers: addresses beyond loopback; clocks: accounts of time services the host has."""

    name_servers: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()


class NamesAndTime(FactBase[HostServices]):
    """The name servers of /etc/resolv.conf (behind systemd-resolved: its own ones), and the time services."""

    default = HostServices

    @override
    def command(self) -> str:
        return (
            "sed -n 's/^nameserver[[:space:]]*/server=/p' /etc/resolv.conf /run/systemd/resolve/resolv.conf"
            " 2>/dev/null; "
            f"for account in {' '.join(CLOCKS)}; do ! getent passwd $account >/dev/null || echo clock=$account; done"
        )

    @override
    def process(self, output: list[str]) -> HostServices:
        pairs = [line.split("=", 1) for line in output if "=" in line]
        servers = {value.split()[0].partition("%")[0] for key, value in pairs if key == "server"}
        beyond = sorted(server for server in servers if not ip_address(server).is_loopback)
        return HostServices(tuple(beyond), tuple(value for key, value in pairs if key == "clock"))
