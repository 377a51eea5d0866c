"""The internal authority and what it signs; OpenSSL judges, not the library that made it."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from xteam_infra.errors import CertificateError
from xteam_infra.pki import Authority, Subject, make_authority
from xteam_infra.pki.supplied import read_supplied

WEB = Subject("xteam.test", ("xteam.test", "www.xteam.test"), ("10.0.0.1",))


@pytest.fixture(scope="module")
def authority():
    return Authority(make_authority())


def openssl(directory, *arguments):
    result = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def files(authority, tmp_path):
    leaf = authority.issue(WEB, 30)
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "crt.pem").write_text(leaf.certificate)
    (tmp_path / "key.pem").touch(0o600)
    (tmp_path / "key.pem").write_text(leaf.key)
    return tmp_path


@pytest.mark.parametrize("check", [("-verify_hostname", "www.xteam.test"), ("-verify_ip", "10.0.0.1")])
def test_leaf_verifies_strictly(files, check):
    verify = ["verify", "-x509_strict", "-purpose", "sslserver", *check, "-CAfile", "ca.pem", "crt.pem"]
    assert openssl(files, *verify) == (0, "crt.pem: OK\n")


@pytest.mark.parametrize("check", [("-verify_hostname", "evil.test"), ("-verify_ip", "10.0.0.2")])
def test_leaf_speaks_for_nobody_else(files, check):
    assert openssl(files, "verify", *check, "-CAfile", "ca.pem", "crt.pem")[0] != 0


@pytest.mark.parametrize("purpose", ["server", "client", "both"])
def test_leaf_is_for_its_purpose_alone(authority, tmp_path, purpose):
    """A server's key must be refused as a client's, and the other way round."""
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "crt.pem").write_text(authority.issue(replace(WEB, purpose=purpose), 30).certificate)
    for asked in ("server", "client"):
        verify = ["verify", "-x509_strict", "-purpose", f"ssl{asked}", "-CAfile", "ca.pem", "crt.pem"]
        assert (openssl(tmp_path, *verify)[0] == 0) == (purpose in (asked, "both"))


def test_leaf_can_t_sign(authority, files):
    """A stolen host key must not become an authority."""
    leaf = x509.load_pem_x509_certificate((files / "crt.pem").read_bytes())
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert constraints.critical and not constraints.value.ca and not usage.key_cert_sign


def test_leaf_of_another_authority_is_refused(files):
    (files / "ca.pem").write_text(Authority(make_authority()).pem)
    assert openssl(files, "verify", "-CAfile", "ca.pem", "crt.pem")[0] != 0


def test_every_leaf_has_a_key_of_its_own(authority):
    assert authority.issue(WEB, 30).key != authority.issue(WEB, 30).key


def test_leaf_lives_as_long_as_asked(authority):
    leaf = x509.load_pem_x509_certificate(authority.issue(WEB, 30).certificate.encode())
    left = leaf.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_client_of_etcd_has_no_common_name(authority):
    """etcd's gateway refuses client certificates that have one."""
    leaf = x509.load_pem_x509_certificate(authority.issue(Subject(""), 30).certificate.encode())
    assert not leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)


def test_keys_are_not_shown_by_accident(authority):
    assert "PRIVATE" not in repr(authority.issue(WEB, 30)) + repr(authority)


@pytest.mark.parametrize("bundle", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_unusable_authority(bundle):
    with pytest.raises(CertificateError, match="secret pki/ca is not a PEM private key followed by its certificate"):
        Authority(bundle)


def test_authority_that_ends_before_its_leaves(monkeypatch):
    bundle = make_authority()

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=365 * 10 - 60)

    monkeypatch.setattr("xteam_infra.pki.authority.datetime", Later)
    with pytest.raises(CertificateError, match="must have more than 91 days left"):
        Authority(bundle)


# --- The public certificate, supplied as files


def supplied(files, *names):
    return read_supplied(files / "crt.pem", files / "key.pem", names or ("xteam.test",))


def test_supplied_pair_is_accepted(files):
    assert supplied(files, "xteam.test", "www.xteam.test").certificate == (files / "crt.pem").read_text()


def test_supplied_wildcard_covers_one_level(authority, files):
    leaf = authority.issue(Subject("x", ("*.xteam.test",)), 30)
    (files / "crt.pem").write_text(leaf.certificate)
    (files / "key.pem").write_text(leaf.key)
    assert supplied(files, "www.xteam.test")
    for name in ("xteam.test", "a.b.xteam.test"):
        with pytest.raises(CertificateError, match=f"a certificate for {name} too"):
            supplied(files, name)


def test_supplied_certificate_for_another_name(files):
    with pytest.raises(CertificateError, match=r"a certificate for shop\.test too"):
        supplied(files, "xteam.test", "shop.test")


def test_supplied_key_of_another_certificate(authority, files):
    (files / "key.pem").write_text(authority.issue(WEB, 30).key)
    with pytest.raises(CertificateError, match="these two are no pair"):
        supplied(files)


def test_supplied_key_that_others_may_read(files):
    (files / "key.pem").chmod(0o644)
    with pytest.raises(CertificateError, match=r"fix: chmod 600 .*key\.pem"):
        supplied(files)


def test_supplied_certificate_that_has_ended(authority, files):
    leaf = authority.issue(WEB, 0)
    (files / "crt.pem").write_text(leaf.certificate)
    (files / "key.pem").write_text(leaf.key)
    with pytest.raises(CertificateError, match="still valid; this one ended"):
        supplied(files)


@pytest.mark.parametrize("name", ["crt.pem", "key.pem"])
def test_supplied_file_that_is_missing_or_no_pem(files, name):
    (files / name).write_text("hello")
    with pytest.raises(CertificateError, match="a PEM certificate and an unencrypted PEM key"):
        supplied(files)
    (files / name).unlink()
    with pytest.raises(CertificateError, match=f"a PEM file that can be read: .*{name}"):
        supplied(files)
