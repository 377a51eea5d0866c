"""A flood of connections against one edge, from one address or many, bounded in number and time."""

import json
from ipaddress import ip_address, ip_network
from pathlib import Path

from xteam_infra.plan.needs import CA_PATH

ON_HOST = Path(__file__).with_name("flood_on_host.py")
FILES, UNIT = "/run/xteam-drill-flood", "xteam-drill-flood"
CONNECTIONS, ATTEMPTS, SECONDS = 5000, 20_000, 12
LATE_SECONDS = 120  # on a busy host all of it takes longer
KINDS = (
    "idle", "handshakes", "headers", "bodies", "reads", "resets", "settings_frames", "pings", "empty_frames",
    "continuations", "websockets",
)  # fmt: skip
# Networks of IPv6 for the time of a drill; each source is in one of its own, as customers of a provider are.
V6 = "fd6d:e464:e0d9"
V6_EDGE, V6_OTHER = f"{V6}::1", f"{V6}:ffff::1"


def v6_sources(number: int) -> list[str]:
    """Addresses of so many networks."""
    return [f"{V6}:{place:x}::1" for place in range(1, number + 1)]


class Ipv6:
    """IPv6 between an edge and hosts that ask it, where their network has none. `remove` takes it away again."""

    def __init__(self, edge, hosts):
        """hosts: who asks, and by which addresses."""
        self.added = [(edge, [V6_EDGE]), *((host, list(addresses)) for host, addresses in hosts)]
        for host, addresses in self.added:
            device = json.loads(host.check_output(f"ip -json -4 route get {_neighbour(host, self.added)}"))[0]["dev"]
            each = f"ip -6 address add $a/48 dev {device} nodad || exit"
            host.check_output(f"for a in {' '.join(addresses)}; do {each}; done")
            host.check_output(f"nft insert rule inet xteam output ip6 daddr {V6}::/48 accept")

    def remove(self) -> None:
        """Rules and addresses as before."""
        for host, addresses in self.added:
            host.run("systemctl reload nftables")
            drop = "ip -6 address del $a/48 dev $(ip -o -6 address show to $a | awk '{print $2}')"
            host.run(f"for a in {' '.join(addresses)}; do {drop}; done")


def _neighbour(host, added) -> str:
    return next(other.address for other, _ in added if other != host)


class Flood:
    """Floods from a host of the estate. Its further addresses are taken from it again by `remove`."""

    def __init__(self, host, edge, estate, file: str, token: str):
        """file: path of a large file that the token's user may read."""
        self.host, self.edge, self.estate, self.file, self.token = host, edge, estate, file, token
        self.added: list[str] = []
        self.least_idle, self.dropped_before = 100, self.dropped()

    def dropped(self) -> int:
        """Connections that the edge's kernel dropped, for HAProxy took them too slowly."""
        return int(self.edge.check_output("nstat -asz TcpExtListenDrops | awk '/ListenDrops/ {print $2}'"))

    def ended(self) -> bool:
        """Whether it is over. Meanwhile: how idle HAProxy was at least, in percent; low is for want of processors."""
        found = self.edge.run("xteam-edge show info | sed -n 's/^Idle_pct: //p'").stdout.strip()
        self.least_idle = min(self.least_idle, int(found or 100))
        return self.host.run(f"systemctl is-active -q {UNIT}").rc != 0

    def addresses(self, number: int, family: int) -> list[str]:
        """So many addresses of the host that nobody else has. Those of IPv6 are there already."""
        if family == 6:
            return v6_sources(number)
        route = json.loads(self.host.check_output(f"ip -json route get {self.edge.address}"))[0]
        own = ip_address(route["prefsrc"])
        if number == 1:
            return [str(own)]
        if not self.added:
            network = ip_network(f"{own}/24", strict=False)
            taken = {machine.address for machine in self.estate.machines}
            found = [str(network[last]) for last in range(101, 101 + number)]
            assert not taken & set(found), f"hosts have addresses that this drill needs: {taken & set(found)}"
            self.host.check_output(
                f"for a in {' '.join(found)}; do ip address add $a/24 dev {route['dev']} || exit; done"
            )
            self.added = found
            self.device = route["dev"]
        return self.added[:number]

    def run(self, kind: str, sources: int, family: int, eventually) -> dict[str, int]:
        """What became of the connections."""
        settings = {
            "name": self.estate.all.domain, "ca": CA_PATH, "kind": kind,
            "address": V6_EDGE if family == 6 else self.edge.address, "sources": self.addresses(sources, family),
            "connections": CONNECTIONS, "attempts": ATTEMPTS, "seconds": SECONDS,
            "file": self.file,
        }  # fmt: skip
        self.host.run_with_stdin(f"rm -f {FILES}.*; cat > {FILES}.py", ON_HOST.read_text())
        self.host.run_with_stdin(f"umask 077; cat > {FILES}.in", f"{json.dumps(settings)}\n{self.token}\n")
        self.host.check_output(
            f"systemd-run -q --collect --unit {UNIT} -p StandardInput=file:{FILES}.in -p LimitNOFILE=16384"
            f" -p RuntimeMaxSec={SECONDS + LATE_SECONDS} -p StandardOutput=truncate:{FILES}.out"
            f" -p StandardError=truncate:{FILES}.err python3 {FILES}.py"
        )
        longest = SECONDS + LATE_SECONDS + 30
        eventually(self.ended, seconds=longest, interval=1)
        said = self.host.check_output(f"cat {FILES}.out")
        assert said, f"the flood broke off: {self.host.check_output(f'cat {FILES}.err')[-1000:]}"
        return json.loads(said)

    def remove(self) -> None:
        """It ends, and the host has its own address alone."""
        self.host.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*")
        if self.added:
            self.host.run(f"for a in {' '.join(self.added)}; do ip address del $a/24 dev {self.device}; done")
            self.added = []
