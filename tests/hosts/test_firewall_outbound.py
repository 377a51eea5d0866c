"""The ways out of a host: the rules as they are loaded, and what processes of its accounts meet."""

import json
from ipaddress import collapse_addresses, ip_address, ip_network, summarize_address_range
from shlex import quote

import pytest

from checklist.run import not_applicable
from xteam_infra.layers.edge.needs import VRRP
from xteam_infra.layers.firewall import ways as firewall
from xteam_infra.layers.firewall.outbound_facts import NamesAndTime
from xteam_infra.plan.compose import plans
from xteam_infra.plan.needs import METRICS_DIRECTORY
from xteam_infra.plan.outbound import confined, outbound

UNUSED = 59_999
METADATA = "169.254.169.254"
METADATA_6 = "fd00:ec2::254"
# What connect() says when a rule of the own host refuses: over IPv4, over IPv6. A host that is asked says others.
REFUSED = ("No route to host", "Permission denied")
BASE = {"oif", "oifname", "sport"}


@pytest.fixture
def ways(host, estate, machine, secret):
    """What the plan lets out of this host."""
    fact = NamesAndTime()
    found = fact.process(host.run(fact.command()).stdout.splitlines())
    tracker = firewall.error_tracker(estate, machine, lambda reference: secret(reference.name))
    return [*firewall.names_and_time(estate, found), *outbound(estate, machine, tracker)]


def ids(host, accounts):
    return frozenset(int(host.check_output("id -u %s", account)) for account in accounts)


def connect(host, account, places):
    """{place: "open" or what connect() said} for each (address, port), as a process of the account."""
    one = "timeout 5 bash -c '</dev/tcp/'$1 2>&1 && echo open || echo timeout"
    places_ = " ".join(quote(f"{address}/{port}") for address, port in places)
    loop = f'for p in {places_}; do (echo "$p $(sh -c {quote(one)} x $p | head -1)") & done; wait'
    said = host.check_output(f"setpriv --reuid {account} --clear-groups bash -c {quote(loop)}")
    answers = dict(line.split(" ", 1) for line in said.splitlines())
    return {(address, port): answers[f"{address}/{port}"] for address, port in places}


def was_refused(answer):
    return answer.endswith(REFUSED)


def test_outbound_is_dropped_by_default(host):
    chain = json.loads(host.check_output("nft -j list chain inet xteam output"))["nftables"]
    (policy,) = [entry["chain"] for entry in chain if "chain" in entry]
    assert (policy["hook"], policy["policy"]) == ("output", "drop"), f"outbound traffic is {policy['policy']}ed"


def test_only_declared_outbound_rules_exist(host, ways):
    """Every rule that accepts, with its ports, accounts and addresses."""
    wanted = set()
    for way in ways:
        ports = frozenset({VRRP} if way.protocol == "vrrp" else way.ports)
        who = ("!=", ids(host, way.without)) if way.without else ("==", ids(host, way.accounts)) if way.accounts else ()
        for networks in [way.v4, way.v6] if not way.anywhere else [None]:
            if networks is None or networks:
                there = None if networks is None else frozenset(collapse_addresses(map(ip_network, networks)))
                wanted.add((way.protocol, ports, there, who))
    loaded = set(_accepted(host))
    assert not loaded - wanted, f"let out, and no layer asked for it: {loaded - wanted}"
    assert not wanted - loaded, f"not let out: {wanted - loaded}"


def _accepted(host):
    chain = json.loads(host.check_output("nft -j list chain inet xteam output"))["nftables"]
    for rule in (entry["rule"]["expr"] for entry in chain if "rule" in entry):
        if not any("accept" in expression for expression in rule):
            continue
        matches = {}
        for match in (expression["match"] for expression in rule if "match" in expression):
            inner = next(iter(match["left"].values()))
            if isinstance(inner, list):  # these bits of a field
                inner = {"field": (inner[0]["payload"]["field"], *sorted(inner[1]["|"]))}
            matches[inner.get("field") or inner.get("key")] = (match["op"], match["right"], inner.get("protocol"))
        if BASE & set(matches) or _of_open_connections(matches):
            continue
        if _values(matches.get("l4proto")) == {"icmp", "ipv6-icmp"}:
            continue
        port = matches.get("dport") or matches.get("l4proto")
        protocol = port[2] if port and port[2] else "vrrp" if port else "any"
        ports = frozenset({VRRP} if protocol == "vrrp" else _values(port))
        there = frozenset(collapse_addresses(_networks(matches["daddr"][1]))) if "daddr" in matches else None
        who = (matches["skuid"][0], frozenset(_values(matches["skuid"]))) if "skuid" in matches else ()
        yield protocol, ports, there, who


def _of_open_connections(matches):
    """What belongs to connections that were let out before, or were there before the rules: TCP without SYN."""
    state = _values(matches.get("state"))
    midway = matches.get(("flags", "ack", "syn"), ("", ""))[:2] == ("==", "ack")
    return bool(state) and (state <= {"established", "related"} or (state == {"new"} and midway))


def _values(match):
    if not match:
        return set()
    right = match[1]
    right = right["set"] if isinstance(right, dict) and "set" in right else right
    return set(right) if isinstance(right, list) else {right}


def _networks(right):
    for one in right["set"] if isinstance(right, dict) and "set" in right else [right]:
        if isinstance(one, dict) and "range" in one:  # neighbours, put together by nft
            yield from summarize_address_range(*map(ip_address, one["range"]))
        else:
            yield ip_network(f"{one['prefix']['addr']}/{one['prefix']['len']}" if isinstance(one, dict) else one)


def _outside(estate):
    """The controller, on a port that nobody has a use for."""
    return str(ip_network(estate.all.management_networks[0])[0])


def test_undeclared_outbound_connections_are_refused(host, estate, machine, ways):
    """From the application's account, others' and root: outside, the metadata service, ports for others. IPv4 and 6."""
    family = host.run("ip -6 route get fd00:ec2::254").rc
    interface = host.check_output("ip -o -4 address show to %s", machine.address).split()[1]
    places = [(_outside(estate), UNUSED), (METADATA, 80), (METADATA_6, 80)]
    accounts = [*confined(estate, machine), "nobody", "root"]
    before, tried, let_out = _refused(host), 0, []
    if family:  # a host without IPv6 has no way to try; nothing leaves it by this address
        host.check_output("ip -6 address add fd00:ec2::1/64 dev %s nodad", interface)
    try:
        for account in accounts:
            wanted = [*places, *_not_for(estate, machine, ways, account)]
            answers = connect(host, account, wanted)
            tried += len(answers)
            let_out += [f"{account}: {place}: {said}" for place, said in answers.items() if not was_refused(said)]
    finally:
        if family:
            host.run("ip -6 address del fd00:ec2::1/64 dev %s", interface)
    assert not let_out, f"of {tried} tried, {len(let_out)} were not refused: {'; '.join(let_out)}"
    counted = _refused(host) - before
    assert counted >= tried, f"of {tried} refused connections {counted} were counted"
    print(f"{host.name}: {tried} tried, {tried - len(let_out)} refused, {counted} packets counted")


def _refused(host):
    counters = json.loads(host.check_output("nft -j list counters table inet xteam; true"))["nftables"]
    found = {one["counter"]["name"]: one["counter"]["packets"] for one in counters if "counter" in one}
    assert "outbound_refused" in found, "nothing counts what is refused"
    return found["outbound_refused"]


def _not_for(estate, machine, ways, account):
    """A port of each other host that this account may not reach."""
    for other in estate.machines:
        if other.name == machine.name:
            continue
        for listen in plans(estate)[other.name].listens:
            if listen.protocol == "tcp" and listen.sources != ("local",) and not _may(ways, other, listen, account):
                yield other.address, listen.port
                break


def _may(ways, other, listen, account):
    for way in ways:
        for_it = account in way.accounts or (not way.accounts and account not in way.without)
        if for_it and listen.port in way.ports and (way.anywhere or f"{other.address}/32" in way.v4):
            return True
    return False


def test_declared_outbound_connections_work(host, estate, machine, ways):
    """One connection for each port of other hosts, as an account it is for."""
    addresses = {f"{other.address}/32": other.address for other in estate.machines if other.name != machine.name}
    wanted = {}
    for way in ways:
        there = [addresses[network] for network in way.v4 if network in addresses]
        if way.protocol == "tcp" and there:
            account = way.accounts[-1] if way.accounts else "nobody"
            wanted.setdefault(account, []).extend((there[0], port) for port in way.ports)
    if not wanted:
        not_applicable("one host: it has nobody else to reach")
    for account, places in wanted.items():
        cut = [f"{place}: {said}" for place, said in connect(host, account, places).items() if was_refused(said)]
        assert not cut, f"{account} can't reach {'; '.join(cut)}"


def test_refused_outbound_packets_are_counted(host, eventually):
    """For Prometheus; a few of them are in the journal too, where the kernel lets a host log."""

    def written():
        lines = host.check_output(f"cat {METRICS_DIRECTORY}/xteam-firewall.prom").splitlines()
        figures = dict(line.split() for line in lines if not line.startswith("#"))
        figure = int(figures["xteam_firewall_outbound_refused_packets_total"])
        assert 0 <= figure <= _refused(host), f"{figure} are reported, {_refused(host)} counted"
        return True

    eventually(written, seconds=90, interval=2)
