"""The internal authority's certificates on each host, judged by OpenSSL."""

import pytest

from checklist.run import not_applicable
from xteam_infra.plan import CA_PATH, INTERNAL_CA, trust_path
from xteam_infra.plan.compose import plans

DIRECTORY = CA_PATH.rsplit("/", 1)[0]


@pytest.fixture
def wanted(estate, machine):
    """The certificates that this host's layers asked for."""
    found = plans(estate)[machine.name].certificates
    if not found:
        not_applicable("no layer on this host has a certificate")
    return found


def test_the_host_trusts_this_estate_s_authority(host, estate, secret):
    """Those in the secrets store, and no other besides."""
    for one in (INTERNAL_CA, *plans(estate)[host.name].issuers):
        path, ours = trust_path(one), _certificate(secret(f"pki/{one}")).strip()
        assert host.file(path).content_string.strip() == ours, f"{path} is not the estate's authority"


def _certificate(bundle):
    return bundle[bundle.index("-----BEGIN CERTIFICATE") :]


def test_every_certificate_verifies(host, wanted, secret):
    """For each name it must speak for, for its purpose and no other, by the strict rules."""
    for one in wanted:
        authority = CA_PATH
        if one.issuer != INTERNAL_CA:  # who is a client of others does not trust their authority itself
            authority = f"/run/{one.name}-authority.pem"
            host.run_with_stdin(f"cat > {authority}", _certificate(secret(f"pki/{one.issuer}")))
        names = [f"-verify_hostname {name}" for name in one.subject.dns]
        names += [f"-verify_ip {ip}" for ip in one.subject.ips]
        for purpose in ("server", "client"):
            meant = one.subject.purpose in (purpose, "both")
            for name in names or [""]:
                verify = f"openssl verify -x509_strict -purpose ssl{purpose} {name} -CAfile {authority} {one.crt}"
                said = host.run(verify)
                found = f"{purpose} {name}: {said.stdout}{said.stderr}"
                assert (said.rc == 0) == meant, f"{one.crt} {'does not hold' if meant else 'holds'} as {found}"
        host.run(f"rm -f /run/{one.name}-authority.pem")


def test_certificates_are_renewed_in_time(host, wanted, estate):
    """What the ordinary run should have renewed shows that nobody ran it."""
    days = estate.certificates.certificate_renew_days
    for one in wanted:
        said = host.run(f"openssl x509 -noout -enddate -checkend {(days - 1) * 86400} -in {one.crt}")
        assert "notAfter" in said.stdout, f"{one.crt} can't be read"
        assert said.rc == 0, f"{one.crt} has less than {days} days left ({said.stdout.splitlines()[0]})"


def test_every_key_is_its_owner_s_alone(host, wanted):
    for one in wanted:
        key = host.file(one.key)
        assert key.exists, f"{one.key} is missing"
        assert (key.user, oct(key.mode)) == (one.owner, "0o600"), f"{one.key} is {key.user}'s, mode {oct(key.mode)}"


def test_other_private_keys_are_readable_by_owner_alone(host):
    """Anything with a private key in it is for its owner alone, also what no layer knows of."""
    # A key fills its line; programs that only speak of keys don't count.
    header = "^-----BEGIN [A-Z ]*PRIVATE KEY-----$"
    found = host.run(f"grep -rlI -e '{header}' /etc/xteam /etc/haproxy /opt/xteam 2>/dev/null").stdout.split()
    loose = host.run(f"find {' '.join(found) or DIRECTORY} -maxdepth 0 -type f -perm /077").stdout.split()
    assert not loose, f"private keys that others may read: {', '.join(loose)}"


def test_key_and_certificate_are_a_pair(host, wanted):
    for one in wanted:
        public = "openssl {} 2>/dev/null | openssl sha256"
        certificate = host.run(public.format(f"x509 -noout -pubkey -in {one.crt}")).stdout
        key = host.run(public.format(f"pkey -pubout -in {one.key}")).stdout
        assert certificate == key, f"{one.key} is not the key of {one.crt}"


def test_the_authority_s_key_is_on_no_host(host, estate, secret):
    """It stays in the secrets store: whoever takes a host must not be able to sign."""
    used = {one.issuer for plan in plans(estate).values() for one in (*plan.certificates, *plan.listens)}
    lines = "\n".join(secret(f"pki/{one}").splitlines()[1] for one in sorted(used))
    found = host.run_with_stdin("grep -rlF -f - /etc/xteam /opt/xteam /var/lib/xteam 2>/dev/null", lines).stdout
    assert not found, f"the authority's key is in {found}"
