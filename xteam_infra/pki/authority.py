"""The internal certificate authority: made once, kept as one PEM bundle in the secrets store."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from xteam_infra.errors import CertificateError
from xteam_infra.pki.leaf import Leaf, Subject, make_leaf, pem_of_key
from xteam_infra.secrets import Secret

CA_SECRET = Secret("pki/ca")
CA_YEARS = 10
# A leaf must not outlive its authority, so the authority is refused while it still has this long to live.
LAST_USE = timedelta(days=91)


def secret_of(issuer: str) -> Secret:
    """Where the bundle of an authority is kept: the internal CA ("ca"), or one that signs clients of one service."""
    return Secret(f"pki/{issuer}")


def make_authority(issuer: str = "ca", organisation: str = "XTeam") -> str:
    """A new authority as PEM (key, then certificate). EC P-256: every service here speaks it."""
    title = "internal CA" if issuer == "ca" else f"CA of {issuer}"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} {title}"),
        ]
    )
    now = datetime.now(UTC)
    public = key.public_key()
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # hosts' clocks may be a little behind
        .not_valid_after(now + timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return pem_of_key(key) + certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """Signs leaf certificates. Raises CertificateError when the bundle is unusable or about to expire."""

    def __init__(self, bundle: str, name: str = CA_SECRET.name):
        self._name = name
        try:
            key = serialization.load_pem_private_key(bundle.encode(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
                raise ValueError("the key is neither EC nor RSA")
            self._key = key
            self.certificate = x509.load_pem_x509_certificate(bundle[bundle.index("-----BEGIN CERT") :].encode())
        except ValueError as error:
            raise CertificateError(
                f"secret {name} is not a PEM private key followed by its certificate: {error}"
            ) from error
        self._require_lasting()

    @property
    def pem(self) -> str:
        """The certificate alone, for trust stores."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, subject: Subject, days: int) -> Leaf:
        """A new key and certificate for the subject's purpose, valid for `days`."""
        return make_leaf(self._key, self.certificate, subject, days)

    def _require_lasting(self) -> None:
        end = self.certificate.not_valid_after_utc
        if end - datetime.now(UTC) < LAST_USE:
            raise CertificateError(
                f"the internal CA (secret {self._name}) is valid until {end:%Y-%m-%d}: "
                "it must have more than 91 days left to sign certificates. "
                "Move the old value away in the secrets store and run deploys/all.py: a new CA is made"
            )
