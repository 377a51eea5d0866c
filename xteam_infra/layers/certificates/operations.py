"""Leaf certificates on the host: issued when missing, renewed in time, replaced when names or authority changed."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from pyinfra import host
from pyinfra.api import StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.operations.files import HostFile, _replace
from xteam_infra.engine.operations.pending import will_change
from xteam_infra.engine.runtime import authority
from xteam_infra.layers.certificates.facts import CertificatePems
from xteam_infra.pki import Subject
from xteam_infra.pki.leaf import USAGES, Purpose
from xteam_infra.plan import Certificate


@operation()
def certificates(wanted: list[Certificate], days: int, renew_days: int) -> Commands:
    """Issue what is missing, wrong or has fewer than `renew_days` left. The key is made here and sent once."""
    held = host.get_fact(CertificatePems, pairs=[(one.crt, one.key) for one in wanted])
    due = [one for one in wanted if not _is_good(held.get(one.crt, ""), one, renew_days)]
    if not due:
        host.noop("all certificates are valid")
        return
    for one in due:
        will_change(one.crt)
    for one in due:
        yield from _issue(one, days)


def _is_good(text: str, wanted: Certificate, renew_days: int) -> bool:
    permissions, _, pem = text.partition("\n")
    if permissions != f"{wanted.owner} 600" or not pem:
        return False
    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        certificate.verify_directly_issued_by(authority(wanted.issuer).certificate)
    except Exception:
        return False
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return left > timedelta(days=renew_days) and _subject(certificate) == wanted.subject


def _subject(certificate: x509.Certificate) -> Subject:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    common_name = str(names[0].value) if names else ""
    purpose = _purpose(certificate)
    try:
        sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Subject(common_name, purpose=purpose)
    dns = tuple(sans.get_values_for_type(x509.DNSName))
    ips = tuple(str(ip) for ip in sans.get_values_for_type(x509.IPAddress))
    return Subject(common_name, dns, ips, purpose)


def _purpose(certificate: x509.Certificate) -> Purpose:
    """One without the extension may be used for everything."""
    try:
        usage = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return "both"
    return next((purpose for purpose, wanted in USAGES.items() if usage == wanted), "both")


def _issue(one: Certificate, days: int) -> list[StringCommand]:
    leaf = authority(one.issuer).issue(one.subject, days)
    if one.bundle:
        both = leaf.certificate + leaf.key
        return [_replace(HostFile(one.crt, text=both, owner=one.owner, mode="600"))]
    key = HostFile(one.key, text=leaf.key, owner=one.owner, mode="600")
    return [_replace(key), _replace(HostFile(one.crt, text=leaf.certificate))]
