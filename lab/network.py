"""The lab's networks: one bridge per region, routed by this machine, translated on the way out.

Lab number `slot` owns 10.210.<2*slot>.0/23: region a is the first /24 of it, region b the second.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.shell import run
from lab.topology import REGIONS

BASE = "10.210"
SLOTS = 128  # 256 networks of /24 in BASE, two per lab
FIRST_HOST = 11  # .1 is the controller; the rest below is left for addresses that move
FLOATING_HOST = 5


def slice_of(slot: int) -> str:
    """All addresses of one lab."""
    return f"{BASE}.{2 * slot}.0/23"


def subnet(slot: int, region: str) -> str:
    """The region's network without its host part, for example 10.210.4."""
    return f"{BASE}.{2 * slot + REGIONS.index(region)}"


def gateway(slot: int, region: str) -> str:
    """This machine's address in the region: the default route of its hosts."""
    return f"{subnet(slot, region)}.1"


def controller(slot: int) -> str:
    """The one address from which this machine speaks to all hosts of the lab, in any region."""
    return gateway(slot, REGIONS[0])


def bridge_name(slot: int, region: str) -> str:
    return f"xl{slot}{region}"


def interface_name(slot: int, number: int) -> str:
    """This machine's end of a host's cable; interface names have at most 15 characters."""
    return f"xl{slot}h{number}"


def table_name(slot: int) -> str:
    return f"xteam_lab_{slot}"


def free_slot(taken: Iterable[int]) -> int:
    """Return the first lab number whose addresses nobody on this machine uses. Raises LabError if there is none."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    used = []
    for route in routes:
        with suppress(ValueError):  # "default" and names of special routes
            used.append(ipaddress.ip_network(route["dst"], strict=False))
    taken = set(taken)
    for slot in range(SLOTS):
        network = ipaddress.ip_network(slice_of(slot))
        if slot not in taken and not any(network.overlaps(other) for other in used if other.prefixlen > 8):
            return slot
    raise LabError(f"all {SLOTS} lab networks in {BASE}.0.0/16 are in use: `python -m lab status` shows by whom")


def create(slot: int, regions: Iterable[str]) -> None:
    """Make the bridges, routes and translation of one lab."""
    for region in regions:
        name = bridge_name(slot, region)
        run(["ip", "link", "add", name, "type", "bridge"])
        run(["ip", "address", "add", f"{gateway(slot, region)}/24", "dev", name, "noprefixroute"])
        run(["ip", "link", "set", name, "up"])
        # One source address for all regions, so that a host's firewall needs to know one controller only.
        source = [] if region != REGIONS[0] and REGIONS[0] not in regions else ["src", controller(slot)]
        run(["ip", "route", "replace", f"{subnet(slot, region)}.0/24", "dev", name, *source])
    run(["nft", "-f", "-"], stdin=_ruleset(slot))


def _ruleset(slot: int) -> str:
    mine, all_labs = slice_of(slot), f"{BASE}.0.0/16"
    return f"""
table inet {table_name(slot)}
delete table inet {table_name(slot)}
table inet {table_name(slot)} {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ip saddr {mine} ip daddr {mine} accept
        ip saddr {mine} ip daddr {all_labs} drop comment "labs don't see each other"
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {mine} ip daddr != {all_labs} masquerade
    }}
}}
table bridge {table_name(slot)}
delete table bridge {table_name(slot)}
table bridge {table_name(slot)} {{
    set cut {{
        type ifname
    }}
    chain from_hosts {{
        type filter hook prerouting priority -300; policy accept;
        iifname @cut drop
    }}
    chain to_hosts {{
        type filter hook postrouting priority 300; policy accept;
        oifname @cut drop
    }}
}}
"""


def destroy(slot: int) -> None:
    """Remove whatever of the lab's network exists."""
    for family in ("inet", "bridge"):
        run(["nft", "delete", "table", family, table_name(slot)], check=False)
    prefixes = (f"xl{slot}h", *(bridge_name(slot, region) for region in REGIONS))
    for path in Path("/sys/class/net").iterdir():
        if path.name.startswith(prefixes):
            run(["ip", "link", "delete", path.name], check=False)


def plug(interface: str, bridge: str) -> None:
    """Connect a host's cable to its region."""
    run(["ip", "link", "set", interface, "master", bridge, "up"])


def cut(slot: int, interface: str) -> None:
    """Drop all frames of one host. It still sees a carrier, as behind a switch that fails further away."""
    run(["nft", "add", "element", "bridge", table_name(slot), "cut", f'{{ "{interface}" }}'])


def heal(slot: int, interface: str) -> None:
    """Let the frames of one host pass again."""
    # Adding first makes the deletion succeed also for a host that was not cut.
    cut(slot, interface)
    run(["nft", "delete", "element", "bridge", table_name(slot), "cut", f'{{ "{interface}" }}'])


def exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()
