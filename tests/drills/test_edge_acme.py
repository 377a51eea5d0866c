"""Drill on public certificates by ACME: Debian's pebble, an authority for tests, asks and signs.

Every edge gets a certificate of its own, renews it without a dropped connection, and keeps it when it is refused one.
"""

import json
import re

import pytest

from checklist.run import not_applicable
from tests.drills.harness.prober import Prober
from xteam_infra.layers.edge import public
from xteam_infra.layers.edge.needs import ACME_PEM

pytestmark = pytest.mark.group("edge", first=True)
HOME = "/run/xteam-drill-pebble"
UNIT = "xteam-drill-pebble"
PORT, MANAGEMENT = 14000, 15000
EMAIL = "ops@xteam.lab"
CONFIG = {
    "listenAddress": f"0.0.0.0:{PORT}",
    "managementListenAddress": f"127.0.0.1:{MANAGEMENT}",
    "certificate": f"{HOME}/tls.crt",
    "privateKey": f"{HOME}/tls.key",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
}


@pytest.fixture
def authority(hosts, estate, faults, tmp_path):
    """pebble on a host that is no edge: its address of directory, who signed its own certificate, and how to ask it."""
    assert faults.lab, "an authority for tests is for a lab"
    others = [one for one in hosts if "edge" not in one.machine.groups]
    if not others:
        not_applicable("every host is an edge: the authority would ask itself")
    host, (edge, *_) = others[0], hosts.group("edge")
    address = host.address
    host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -q -y pebble >/dev/null", timeout=300)
    host.check_output(
        f"install -d {HOME} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
        f" -subj /CN=pebble -addext subjectAltName=IP:{address} -keyout {HOME}/tls.key -out {HOME}/tls.crt 2>/dev/null"
    )
    host.run_with_stdin(f"cat > {HOME}/config.json", json.dumps({"pebble": CONFIG}))
    names = " ".join(public.hosts(estate))
    host.check_output(f"{{ cat /etc/hosts; echo '{edge.address} {names}'; }} > {HOME}/hosts")
    host.check_output(
        f"systemd-run -q --unit {UNIT} -p BindReadOnlyPaths={HOME}/hosts:/etc/hosts -E PEBBLE_VA_NOSLEEP=1"
        f" -E PEBBLE_WFE_NONCEREJECT=0 pebble -config {HOME}/config.json"
    )
    (tmp_path / "pebble.pem").write_text(host.check_output(f"cat {HOME}/tls.crt"))
    edges = hosts.group("edge")
    yield Authority(host, f"https://{address}:{PORT}/dir", str(tmp_path / "pebble.pem"))
    host.run(f"systemctl stop {UNIT}; rm -rf {HOME}")
    hosts.at_once([host, *edges], "systemctl reload nftables")


class Authority:
    """settings: what an operator sets to get certificates here."""

    def __init__(self, host, directory: str, ca: str):
        self.host, self.directory = host, directory
        self.settings = {"edge_acme_directory": directory, "edge_acme_email": EMAIL, "edge_acme_ca": ca}

    def let_in(self) -> None:
        """The edges may ask: their own rules let them. Until the firewall is deployed anew."""
        self.host.check_output(f"nft insert rule inet xteam input tcp dport {PORT} accept")

    def root(self) -> str:
        """What a client trusts; pebble makes a new one at each start."""
        return self.host.check_output(f"curl -sk https://127.0.0.1:{MANAGEMENT}/roots/0")


@pytest.fixture
def home(hosts, deploys):
    """Afterwards the edges have the certificate they had, and nothing of the authority, which is no more."""
    yield
    for layer in ("firewall", "edge"):
        deploys.good(layer)
    hosts.at_once(hosts.group("edge"), f"rm -rf /etc/letsencrypt {ACME_PEM}")


def shown(edge, domain):
    """Serial number and public key of the certificate an edge shows."""
    command = f"openssl s_client -connect 127.0.0.1:443 -servername {domain} </dev/null 2>/dev/null"
    said = edge.check_output(f"{command} | openssl x509 -noout -serial -pubkey")
    return said.splitlines()[0], said


@pytest.mark.item("SEC-03", "PRE-04")
def test_acme_certificates_are_issued_and_renewed(hosts, estate, authority, deploys, home, http, figures, eventually):
    edges, domain = hosts.group("edge"), estate.all.domain
    # The firewall does not know of it yet: said, and nothing is changed.
    deploys.good("base", **authority.settings)
    present = {edge.name: shown(edge, domain)[0] for edge in edges}
    status, said = deploys("edge", **authority.settings)
    assert status != 0 and "deploys/firewall.py" in said, f"an authority that is shut out passes: {said[-1500:]}"
    assert {edge.name: shown(edge, domain)[0] for edge in edges} == present, "edges show another certificate"
    for layer in ("firewall", "certificates"):
        deploys.good(layer, **authority.settings)
    authority.let_in()
    deploys.good("edge", **authority.settings)
    hosts.memo.forget()
    root = authority.root()
    for edge in edges:
        for name in public.hosts(estate):
            assert http(edge.address, name=name, ca=root).status, f"{edge.name} shows no certificate of the authority"
    assert len({shown(edge, domain)[1] for edge in edges}) == len(edges), "edges share a key: it has travelled"
    said = deploys.good("edge", **authority.settings)
    assert re.search(r"Grand total +\d+ +- +- ", said), f"a second run changes something: {said[-2000:]}"

    prober = Prober(authority.host, domain, edges[0].address, "--insecure")
    try:
        eventually(lambda: len(prober.answered()) > 20, seconds=30)
        before = {edge.name: shown(edge, domain)[0] for edge in edges}
        for edge in edges:
            # As the timer does, on the day it is due.
            edge.check_output("sed -i '1i renew_before_expiry = 9999 days' /etc/letsencrypt/renewal/xteam.conf")
            edge.check_output("systemctl start certbot.service", timeout=120)
        since = prober.answers()[-1][0]
        eventually(lambda: len(prober.answered(since)) > 20, seconds=30)
        assert all(shown(edge, domain)[0] != before[edge.name] for edge in edges), "renewed, but not shown"
        figures["requests"], figures["unanswered"] = len(prober.answers()), prober.unanswered()
        assert prober.unanswered() == 0, "a renewal dropped a connection"
    finally:
        prober.stop()

    # Refused: the old certificate stays in force, and the error is the authority's.
    before = {edge.name: shown(edge, domain)[0] for edge in edges}
    nowhere = authority.directory.replace(str(PORT), "14001")
    status, said = deploys("edge", **{**authority.settings, "edge_acme_directory": nowhere})
    assert status != 0 and "14001" in said, f"an authority that is not there passes: {said[-1500:]}"
    assert {edge.name: shown(edge, domain)[0] for edge in edges} == before, "the old certificate is gone"
