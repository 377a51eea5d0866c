"""TLS at the edge: the certificate, and Mozilla's intermediate profile, by one handshake for each way to speak."""

import re
from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from checklist.run import not_applicable
from xteam_infra.layers.edge import public
from xteam_infra.plan.needs import CA_PATH

# One by one: the controller is one client, whose requests they count.
pytestmark = [pytest.mark.group("edge"), pytest.mark.serial, pytest.mark.usefixtures("unlimited")]

CA = CA_PATH
EXPIRY_DAYS = 21
# https://ssl-config.mozilla.org/guidelines/5.7.json, "intermediate".
PROFILE = {
    "tls1_2": {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    },
    "tls1_3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
}
CURVES = {"X25519", "P-256", "P-384"}
# What a client can offer alone: each cipher of each version, without any bound on strength, and each curve.
OFFERS = r"""
hello() { openssl s_client -connect 127.0.0.1:443 -servername NAME "$@" </dev/null 2>&1 | grep -q 'Cipher is [^(]'; }
for version in tls1 tls1_1 tls1_2; do
    for cipher in $(openssl ciphers -s -$version ALL:COMPLEMENTOFALL:@SECLEVEL=0 | tr : ' '); do
        hello -$version -cipher $cipher:@SECLEVEL=0 && echo $version $cipher
    done
done
for cipher in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_CCM_SHA256 \
    TLS_AES_128_CCM_8_SHA256; do
    hello -tls1_3 -ciphersuites $cipher:@SECLEVEL=0 && echo tls1_3 $cipher
done
for curve in X25519 X448 P-224 P-256 P-384 P-521 secp256k1 brainpoolP256r1 brainpoolP384r1; do
    { hello -tls1_3 -groups $curve || hello -tls1_2 -groups $curve; } && echo curve $curve
done
true
"""


@pytest.mark.item("SEC-03", "PRE-04")
def test_certificate_verifies_for_every_public_name(host, estate, browse):
    # A public certificate must hold against what every client trusts.
    ca = None if estate.edge.public else host.file(CA).content_string
    for name in public.hosts(estate):
        try:
            browse(name=name, ca=ca, verify=True)
        except OSError as error:
            pytest.fail(f"https://{name} can't be trusted: {error}")


@pytest.mark.item("SEC-03", "PRE-04")
def test_certificate_does_not_expire_soon(host, estate):
    command = f"openssl s_client -connect 127.0.0.1:443 -servername {estate.all.domain} </dev/null 2>/dev/null"
    shown = host.run(f"{command} | openssl x509 -noout -enddate -checkend {EXPIRY_DAYS * 86400}")
    assert "notAfter" in shown.stdout, "the edge shows no certificate"
    assert shown.rc == 0, f"the certificate has less than {EXPIRY_DAYS} days left: {shown.stdout}"


@pytest.mark.item("SEC-03", "PRE-04")
def test_certificate_renewal_timer_is_enabled(host, estate):
    """certbot's timer runs, and what it renews is what the edge shows."""
    if not estate.edge.acme:
        not_applicable("edge_acme_directory is None: the certificate comes from elsewhere")
    assert host.service("certbot.timer").is_running, "nothing renews the certificate"
    assert host.run("xteam-acme done").rc == 0, "the certificate on disk is not one of edge_acme_directory"
    shown = host.run(
        f"openssl s_client -connect 127.0.0.1:443 -servername {estate.all.domain} </dev/null 2>/dev/null"
        " | openssl x509 -noout -fingerprint -sha256"
    )
    kept = host.check_output("openssl x509 -in /etc/letsencrypt/live/xteam/cert.pem -noout -fingerprint -sha256")
    assert shown.stdout.strip() == kept.strip(), "the edge shows another certificate than certbot's newest"


@pytest.fixture
def accepted(host, estate):
    """{version: the ciphers that this edge accepts with it}, and the curves under "curve"."""
    said = host.check_output(OFFERS.replace("NAME", estate.all.domain), timeout=300)
    found = defaultdict(set)
    for line in said.splitlines():
        version, name = line.split()
        found[version].add(name)
    return found


@pytest.mark.item("SEC-03")
def test_tls_follows_mozilla_intermediate_profile(accepted):
    """No version before TLS 1.2, no cipher and no curve beyond it; and something of each version in it."""
    for version, ciphers in PROFILE.items():
        assert accepted[version], f"the edge does not speak {version}"
        weak = accepted.pop(version) - ciphers
        assert not weak, f"the edge accepts {', '.join(sorted(weak))} with {version}"
    weak = accepted.pop("curve", set()) - CURVES
    assert not weak, f"the edge accepts the curves {', '.join(sorted(weak))}"
    assert not accepted, f"the edge speaks {' and '.join(accepted)}"


@pytest.mark.item("SEC-03")
def test_certificate_follows_mozilla_intermediate_profile(host, estate):
    """ECDSA on a curve of the profile or RSA of 2048 bits or more, signed with SHA-2, for a year at most."""
    show = f"openssl s_client -connect 127.0.0.1:443 -servername {estate.all.domain} </dev/null 2>/dev/null"
    text = host.check_output(f"{show} | openssl x509 -noout -text -startdate -enddate -dateopt iso_8601")
    bits = int(re.search(r"Public-Key: \((\d+) bit\)", text)[1])
    kind = "RSA" if "rsaEncryption" in text.split("Public Key Algorithm:")[1].splitlines()[0] else "ECDSA"
    assert (kind, bits) in (("ECDSA", 256), ("ECDSA", 384)) or (kind == "RSA" and bits >= 2048), (
        f"{kind} of {bits} bits"
    )
    signature = re.search(r"Signature Algorithm: (\S+)", text)[1]
    assert re.search(r"(?i)sha(256|384|512)", signature), f"signed by {signature}"
    begin, end = (datetime.fromisoformat(date) for date in re.findall(r"not(?:Before|After)=(\S+ \S+)Z", text))
    assert end - begin <= timedelta(days=366), f"it is for {(end - begin).days} days"


def test_http2_is_offered(host, estate):
    offer = f"openssl s_client -connect 127.0.0.1:443 -servername {estate.all.domain} -alpn h2,http/1.1"
    assert "ALPN protocol: h2" in host.run(f"{offer} </dev/null 2>&1").stdout, "browsers get HTTP/1.1 only"
