"""The firewall as it is loaded, and as strangers meet it."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import collapse_addresses, ip_address, ip_network, summarize_address_range

import pytest

from checklist.run import not_applicable
from xteam_infra.layers.edge.needs import VRRP
from xteam_infra.plan.compose import plans
from xteam_infra.plan.firewall_rules import firewall_rules

# Nothing listens here and no layer asks for it: an open firewall refuses at once, ours says nothing.
UNUSED = 59_999
PATIENCE = 1.5
EPHEMERAL = 32_768
DHCP_CLIENTS = (68, 546)
DROPPED = "124"  # timeout's exit status


@pytest.fixture
def accepted(host):
    """{(protocol, port): the networks that may reach it, None for anyone} as the kernel has it."""
    chain = json.loads(host.check_output("nft -j list chain inet xteam input"))["nftables"]
    found = {}
    for rule in (entry["rule"]["expr"] for entry in chain if "rule" in entry):
        if not any("accept" in expression for expression in rule):
            continue
        matches = {_field(e["match"]["left"]): e["match"]["right"] for e in rule if "match" in e}
        sources = _networks(_members(matches["saddr"])) if "saddr" in matches else {None}
        if "dport" in matches:
            found.setdefault(("tcp", matches["dport"]), set()).update(sources)
        elif matches.get("l4proto") in (VRRP, "vrrp"):
            found.setdefault(("vrrp", VRRP), set()).update(sources)
        elif not {"iif", "iifname", "state", "l4proto", "type"} & set(matches):
            found[f"any, by {rule}"] = {None}
    return found


def _field(left):
    inner = next(iter(left.values()))
    return inner.get("field") or inner.get("key")


def _members(right):
    return right.get("set", [right]) if isinstance(right, dict) else right if isinstance(right, list) else [right]


def _networks(members):
    """As few networks as possible: the kernel joins neighbours to a range of its own."""
    found = []
    for one in members:
        if isinstance(one, dict) and "range" in one:
            found += summarize_address_range(*map(ip_address, one["range"]))
        elif isinstance(one, dict):
            found.append(ip_network(f"{one['prefix']['addr']}/{one['prefix']['len']}"))
        else:
            found.append(ip_network(one))
    return _collapsed(found)


def _collapsed(networks):
    both = [[one for one in networks if one.version == version] for version in (4, 6)]
    return {str(network) for family in both for network in collapse_addresses(family)}


def test_inbound_is_dropped_by_default(host):
    chain = json.loads(host.check_output("nft -j list chain inet xteam input"))["nftables"]
    (policy,) = [entry["chain"] for entry in chain if "chain" in entry]
    assert (policy["hook"], policy["policy"]) == ("input", "drop"), (
        f"inbound traffic is {policy['policy']}ed by default"
    )


def test_only_declared_ports_are_open(estate, machine, accepted):
    """Every port, and for each exactly the sources."""
    wanted = {
        (one.protocol, one.port): {None} if one.world else _collapsed([ip_network(net) for net in one.v4 + one.v6])
        for one in firewall_rules(estate, machine)
    }
    for way, sources in accepted.items():
        assert way in wanted, f"{way} is open, and no layer asked for it"
        assert sources == wanted[way], f"{way} is open to {sources}, not to {wanted[way]}"
    assert set(accepted) == set(wanted), f"closed: {sorted(set(wanted) - set(accepted))}"


def test_strangers_get_no_answer(host, machine, estate):
    """From the controller, which may use SSH and the public ports and nothing else: dropped, not merely refused."""
    ours = {ip_network(network) for network in estate.all.management_networks}
    closed = [
        one.port
        for one in firewall_rules(estate, machine)
        if one.protocol == "tcp" and not one.world and not ours & {ip_network(network) for network in one.v4 + one.v6}
    ]
    with ThreadPoolExecutor(32) as pool:
        answers = dict(zip([UNUSED, *closed], pool.map(partial(_knock, host.address), [UNUSED, *closed]), strict=True))
    answering = {port: said for port, said in answers.items() if said}
    assert not answering, f"to a stranger {answering}: inbound traffic is not dropped"


def _knock(address, port):
    """What a port says to a connection from the controller; nothing when it says nothing."""
    with socket.socket() as stranger:
        stranger.settimeout(PATIENCE)
        try:
            stranger.connect((address, port))
        except TimeoutError:
            return ""
        except ConnectionRefusedError:
            return "refuses"
    return "answers"


def test_other_hosts_reach_only_declared_ports(host, machine, hosts, estate):
    """Asked from the first other host that has no business with a port. Its own firewall lets nothing out to there
    either; that this host's drops it shows in the rules, and to strangers."""
    unmeant = {}
    for opening in firewall_rules(estate, machine):
        for other in estate.machines:
            unmeant_here = other.name != machine.name and f"{other.address}/32" not in opening.v4
            if unmeant_here and opening.protocol == "tcp" and not opening.world:
                unmeant.setdefault(other.name, []).append(opening.port)
                break
    if not unmeant:
        not_applicable("no other host, or every other host may reach every open port of this one")
    for name, ports in unmeant.items():
        knock = f"timeout {PATIENCE} bash -c '</dev/tcp/{host.address}/'$port 2>&1; echo $port $?"
        answers = hosts[name].run(f"for port in {' '.join(map(str, ports))}; do (echo $({knock})) & done; wait").stdout
        silent = [line for line in answers.splitlines() if line.split()[-1] == DROPPED or "No route to host" in line]
        reached = [line.split()[-2] for line in answers.splitlines() if line not in silent]
        assert len(answers.splitlines()) == len(ports), f"{name} could not knock: {answers}"
        assert not reached, f"{name} gets an answer from port {', '.join(reached)}"


def test_no_undeclared_port_listens(host, estate, machine):
    """Beyond loopback, TCP and UDP. The firewall would stop strangers; but who started it, and why?"""
    declared = {("tcp", listen.port) for listen in plans(estate)[machine.name].listens}
    declared |= {("tcp", rule.port) for rule in estate.firewall.extra_inbound}
    unknown = []
    for line in host.check_output("ss --no-header --listening --tcp --udp --numeric --processes").splitlines():
        protocol, _, _, _, local = line.split()[:5]
        address, port = local.rsplit(":", 1)
        name = address.strip("[]").split("%")[0]
        loopback = name not in ("*", "0.0.0.0", "::") and ip_address(name).is_loopback  # noqa: S104 - what ss prints
        # A UDP socket of a client waits for its answer on a port of its own.
        answer = protocol == "udp" and (int(port) >= EPHEMERAL or int(port) in DHCP_CLIENTS)
        if not loopback and not answer and (protocol, int(port)) not in declared:
            unknown.append(f"{protocol} {address}:{port} {line.split()[-1]}")
    assert not unknown, f"no layer declared {'; '.join(unknown)}"
