"""Leaf certificates: one key pair for one service on one host."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Purpose = Literal["server", "client", "both"]
USAGES: dict[Purpose, list[x509.ObjectIdentifier]] = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True)
class Subject:
    """Whom a certificate speaks for.

    common_name: may be empty: etcd's gateway refuses client certificates that have one.
    dns, ips: subject alternative names; what clients verify.
    purpose: "server" (listens), "client" (calls), or "both": only for programs that have one certificate for both.
    """

    common_name: str
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    purpose: Purpose = "server"


@dataclass(frozen=True, repr=False)
class Leaf:
    """A private key and its certificate, both PEM."""

    key: str
    certificate: str


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    """Unencrypted PKCS#8: services read it at start, without anyone to type a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def make_leaf(ca_key: CertificateIssuerPrivateKeyTypes, ca: x509.Certificate, subject: Subject, days: int) -> Leaf:
    """Sign a new EC P-256 key for `subject`, usable for its purpose alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "XTeam")]
    if subject.common_name:
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name))
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension, critical in _extensions(key.public_key(), ca, subject):
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(ca_key, hashes.SHA256())
    return Leaf(pem_of_key(key), certificate.public_bytes(serialization.Encoding.PEM).decode())


def _extensions(
    public: ec.EllipticCurvePublicKey, ca: x509.Certificate, subject: Subject
) -> list[tuple[x509.ExtensionType, bool]]:
    ca_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True),
        (x509.ExtendedKeyUsage(USAGES[subject.purpose]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), False),
    ]
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in subject.dns]
    names += [x509.IPAddress(ip_address(ip)) for ip in subject.ips]
    if names:
        found.append((x509.SubjectAlternativeName(names), False))
    return found
