"""A flood of connections against one edge, from one address or many, bounded in number and time."""

import json
from ipaddress import ip_address, ip_network
from pathlib import Path

ON_HOST = Path(__file__).with_name("flood_on_host.py")
FILES, UNIT = "/run/xteam-drill-flood", "xteam-drill-flood"
CONNECTIONS, ATTEMPTS, SECONDS = 5000, 20_000, 12
LATE_SECONDS = 120  # on a busy host all of it takes longer
KINDS = ("idle", "handshakes", "headers", "bodies", "reads", "resets", "websockets")


class Flood:
    """Floods from a host of the estate. Its further addresses are taken from it again by `remove`."""

    def __init__(self, host, edge, estate, file: str, token: str):
        """file: path of a large file that the token's user may read."""
        self.host, self.edge, self.estate, self.file, self.token = host, edge, estate, file, token
        self.added: list[str] = []

    def addresses(self, number: int) -> list[str]:
        """So many addresses of the host's own network that nobody has."""
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

    def run(self, kind: str, sources: int, eventually) -> dict[str, int]:
        """What became of the connections."""
        settings = {
            "name": self.estate.all.domain, "ca": "/etc/xteam/pki/ca.crt", "address": self.edge.address, "kind": kind,
            "sources": self.addresses(sources), "connections": CONNECTIONS, "attempts": ATTEMPTS, "seconds": SECONDS,
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
        eventually(lambda: self.host.run(f"systemctl is-active -q {UNIT}").rc != 0, seconds=longest, interval=1)
        said = self.host.check_output(f"cat {FILES}.out")
        assert said, f"the flood broke off: {self.host.check_output(f'cat {FILES}.err')[-1000:]}"
        return json.loads(said)

    def remove(self) -> None:
        """It ends, and the host has its own address alone."""
        self.host.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*")
        if self.added:
            self.host.run(f"for a in {' '.join(self.added)}; do ip address del $a/24 dev {self.device}; done")
            self.added = []
