"""A public certificate supplied as files on the controller: read, and refused when it can't serve."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from xteam_infra.errors import CertificateError
from xteam_infra.pki.leaf import Leaf


def read_supplied(certificate: Path, key: Path, names: tuple[str, ...]) -> Leaf:
    """The chain and its key. Raises CertificateError: unreadable, expired, not a pair, or not for all of `names`."""
    chain, private = _text(certificate), _text(key)
    if key.stat().st_mode & 0o077:
        raise CertificateError(f"a key that only its owner may read; fix: chmod 600 {key}")
    try:
        leaf = x509.load_pem_x509_certificates(chain.encode())[0]
        public = serialization.load_pem_private_key(private.encode(), None).public_key()
    except (ValueError, TypeError) as error:
        raise CertificateError(f"a PEM certificate and an unencrypted PEM key: {error}") from error
    if public != leaf.public_key():
        raise CertificateError(f"the certificate of the key in {key}: these two are no pair")
    if leaf.not_valid_after_utc <= datetime.now(UTC):
        raise CertificateError(f"a certificate that is still valid; this one ended {leaf.not_valid_after_utc:%Y-%m-%d}")
    if missing := [name for name in names if not _covers(leaf, name)]:
        raise CertificateError(f"a certificate for {', '.join(missing)} too (subjectAltName)")
    return Leaf(private, chain)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CertificateError(f"a PEM file that can be read: {path}: {error}") from error


def _covers(leaf: x509.Certificate, name: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    held = {one.lower() for one in names.get_values_for_type(x509.DNSName)}
    return name in held or f"*.{name.partition('.')[2]}" in held
