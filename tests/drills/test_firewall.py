"""Drills on rules that would lock somebody out, which take themselves back, and on ways out over IPv6."""

import json
import socket

import pytest

from xteam_infra.layers.app.needs import ACCOUNT

NOWHERE = "192.0.2.0/24"  # of documentation: nobody has it
CASES = {
    "controller": ({"management_networks": [NOWHERE]}, "no new SSH connection with the change"),
    "names": ({"name_servers": ["192.0.2.53"]}, "the new ones would cut"),
    "packages": ({"mirror_networks": [NOWHERE]}, "the new ones would cut"),
}
# nft writes a set of one range without its braces when it has read its own listing.
RULES = r"nft -s -t list table inet xteam | sed -E 's/\{ ([^ ,{}]+) \}/\1/g'"
MIRROR = "apt-get indextargets --format '$(SITE)' | head -1 | cut -d/ -f3"


@pytest.mark.group("postgres", first=True)
@pytest.mark.parametrize("case", CASES)
def test_firewall_rules_that_lock_out_are_auto_reverted(host, hosts, estate, deploys, eventually, case):
    """The deploy fails and says why; new logins, names and packages work as before, under the rules of before."""
    settings, said_of_it = CASES[case]
    before = hosts.at_once(hosts, RULES)
    status, said = deploys("firewall", **{key: json.dumps(value) for key, value in settings.items()})
    assert status != 0 and said_of_it in said, f"such rules are kept: {said[-1500:]}"
    limit = 2 * estate.firewall.firewall_confirm_seconds + 30
    for one in hosts:
        assert eventually(lambda one=one: _answers(one.address), seconds=limit), f"{one.name} lets nobody in"
    hosts.memo.forget()
    same = {one: found.stdout for one, found in before.items()}
    eventually(lambda: {one: f.stdout for one, f in hosts.at_once(hosts, RULES).items()} == same, seconds=limit)
    for one in hosts:
        name = one.check_output(MIRROR)
        assert one.run("getent ahosts %s", name).rc == 0, f"{one.name} finds no name"
    assert host.run("apt-get -q update -o APT::Update::Error-Mode=any", timeout=300).rc == 0, "no packages"
    deploys.good("firewall")


def _answers(address):
    try:
        with socket.create_connection((address, 22), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


V6, DECLARED, OTHER_PORT = "fd6d:e464:e0da", 8443, 8444
UPSTREAM, OTHER_ADDRESS, OWN = f"{V6}::1", f"{V6}::2", f"{V6}::9"
UNIT = "xteam-drill-upstream"
LISTEN = """
import socket
heard = [socket.create_server((address, port), family=socket.AF_INET6)
         for address in ADDRESSES for port in PORTS]
import time
time.sleep(1800)
"""


@pytest.fixture
def upstream(host, hosts, deploys):
    """Two addresses and two ports of IPv6 that listen on another host; one address and port is the application's."""
    other = next(one for one in hosts if not {"app", "worker"} & set(one.machine.groups))
    both = ((other, (UPSTREAM, OTHER_ADDRESS)), (host, (OWN,)))
    for one, addresses in both:
        device = one.check_output("ip -o -4 address show to %s", one.address).split()[1]
        for address in addresses:
            one.check_output(f"ip -6 address add {address}/48 dev {device} nodad")
    program = LISTEN.replace("ADDRESSES", str([UPSTREAM, OTHER_ADDRESS])).replace("PORTS", str([DECLARED, OTHER_PORT]))
    other.run_with_stdin(f"cat > /run/{UNIT}.py", program)
    other.check_output(f"systemd-run -q --collect --unit {UNIT} python3 /run/{UNIT}.py")
    deploys.good("firewall", app_upstreams=json.dumps([f"http://[{UPSTREAM}]:{DECLARED}"]))
    # The other host is a stranger's as it were: whom it lets in is not the question.
    other.check_output(f"nft insert rule inet xteam input ip6 daddr {V6}::/48 accept")
    hosts.memo.forget()
    yield
    other.run(f"systemctl stop {UNIT}; rm -f /run/{UNIT}.py")
    for one, addresses in both:
        for address in addresses:
            one.run(f"ip -6 address del {address}/48 dev $(ip -o -6 address show to {address} | awk '{{print $2}}')")
    deploys.good("firewall")


@pytest.mark.group("app", first=True)
def test_ipv6_outbound_rules_are_enforced(host, upstream, eventually):
    """The application's account reaches what is declared, and there the declared port; no other account does."""
    eventually(lambda: _reaches(host, ACCOUNT, UPSTREAM, DECLARED), seconds=20, interval=1)
    wrong = [
        (account, address, port)
        for account in (ACCOUNT, "nobody", "root")
        for address in (UPSTREAM, OTHER_ADDRESS)
        for port in (DECLARED, OTHER_PORT)
        if (account, address, port) != (ACCOUNT, UPSTREAM, DECLARED) and _reaches(host, account, address, port)
    ]
    assert not wrong, f"let out over IPv6: {wrong}"
    host.check_output(f"nft insert rule inet xteam output ip6 daddr {V6}::/48 accept")
    everywhere = [(address, port) for address in (UPSTREAM, OTHER_ADDRESS) for port in (DECLARED, OTHER_PORT)]
    silent = [place for place in everywhere if not _reaches(host, "nobody", *place)]
    assert not silent, f"shows nothing: without the rules nobody reaches {silent}"


def _reaches(host, account, address, port):
    knock = f"timeout 5 setpriv --reuid {account} --clear-groups bash -c '</dev/tcp/{address}/{port}'"
    return host.run(knock).rc == 0
