"""What one host of the estate may have open to a port of another."""

import json
from pathlib import Path

import pytest

from xteam_infra.plan.firewall_rules import firewall_rules

pytestmark = pytest.mark.serial("peers")
ON_HOST = Path(__file__).with_name("peer_on_host.py")
FEW = 200  # connections that cost little to open
MORE = 20


def test_connections_per_peer_are_limited(host, machine, hosts, estate):
    """Each limit is loaded; at the lowest of them, what another host opens beyond it is refused, and let in again when
    that host has closed what it had."""
    limited = [one for one in firewall_rules(estate, machine) if one.most]
    loaded = _limits(host)
    wanted = {(one.port, version): one.most for one in limited for version in (4, 6) if getattr(one, f"v{version}")}
    assert loaded == wanted, f"not limited as declared: {loaded.items() ^ wanted.items()}"
    by_address = {f"{other.machine.address}/32": other for other in hosts if other.name != machine.name}
    for one in sorted(limited, key=lambda one: one.most):
        peers = [by_address[network] for network in one.v4 if network in by_address]
        if peers and one.most <= FEW:
            _try(peers[0], host.address, one)
            return


def _try(peer, address, one):
    given = {"address": address, "port": one.port, "number": one.most + MORE}
    first, again = (
        json.loads(said)
        for said in peer.run_with_stdin(
            f"cat > /run/xteam-peer.py <<'END'\n{ON_HOST.read_text()}\nEND\n"
            "python3 /run/xteam-peer.py; rm -f /run/xteam-peer.py",
            json.dumps(given) + "\n",
        ).stdout.splitlines()
    )
    assert first["open"] <= one.most, f"{peer.name} has {first['open']} connections to {one.comment}, not {one.most}"
    assert first["refused"] == MORE + one.most - first["open"], f"{peer.name} is not refused at once: {first}"
    assert again["open"], f"{peer.name} has closed all connections to {one.comment}, and gets no new one"


def _limits(host):
    """{(port, version of IP): connections of one address} as the kernel has it."""
    chain = json.loads(host.check_output("nft -j list chain inet xteam input; true") or '{"nftables": []}')["nftables"]
    found = {}
    for rule in (entry["rule"]["expr"] for entry in chain if "rule" in entry):
        counted = next((expression["set"] for expression in rule if "set" in expression), None)
        ports = [e["match"]["right"] for e in rule if "match" in e and _field(e["match"]["left"]) == "dport"]
        if counted and ports:
            (limit,) = [one["ct count"] for one in counted["stmt"] if "ct count" in one]
            assert limit["inv"], f"connections of few are refused, not of many: {rule}"
            found[ports[0], int(counted["set"].removeprefix("@peers"))] = limit["val"]
    return found


def _field(left):
    inner = next(iter(left.values()))
    return inner.get("field") if isinstance(inner, dict) else None
