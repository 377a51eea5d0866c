"""The lab's object storage: moto's S3 behind TLS, in a process of its own. lab/object_storage.py starts and ends it.

The one file of the lab that needs the project's environment. Objects live in memory and are gone with the process.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeDeleteMarker, S3Backend
from werkzeug.serving import ThreadedWSGIServer

from lab.own_server import arguments

_CLOSE_SECONDS = 1.0
_DAYS = 30


class TlsServer(ThreadedWSGIServer):
    """Says goodbye as TLS wants it: pgBackRest takes a connection that just ends for a failed one, and tries again."""

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        # The handshake happens in the connection's own thread: a slow client keeps nobody waiting.
        return tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError, ValueError):
            request.settimeout(_CLOSE_SECONDS)
            request.unwrap()
        super().shutdown_request(request)


class Quiet(MotoRequestHandler):
    """Writes no line a request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def respect_secure_transport() -> None:
    """moto skips conditions it does not know, and so denies everybody what a policy denies without TLS.

    Here nobody comes without TLS.
    """
    judge = IAMPolicyStatement.is_action_permitted

    def permitted(self: Any, *arguments: Any, **more: Any) -> Any:
        if self._statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
            return PermissionResult.NEUTRAL
        return judge(self, *arguments, **more)

    IAMPolicyStatement.is_action_permitted = permitted  # type: ignore[method-assign] # moto offers no other way


def hide_emptied_prefixes() -> None:
    """moto lists a prefix for ever below which everything was deleted, where versions are kept; S3 does not."""
    listed = S3Backend.list_objects

    def found(self: Any, bucket: Any, *arguments: Any, **more: Any) -> Any:
        keys, folders, truncated, marker = listed(self, bucket, *arguments, **more)
        live = [name for name, key in bucket.keys.items() if not isinstance(key, FakeDeleteMarker)]
        return keys, [one for one in folders if any(name.startswith(one) for name in live)], truncated, marker

    S3Backend.list_objects = found  # type: ignore[method-assign] # moto offers no other way


def make_certificates(directory: Path, address: str) -> None:
    """A certificate for the address, signed by an authority of its own that clients are told to trust."""
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("object storage of the lab")
    # Clients differ: some look for an address among the addresses, some among the names.
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(address)])
    authority = (
        _certificate(issuer, issuer, issuer_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    leaf = (
        _certificate(_name(address), issuer, key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    os.umask(0o077)
    (directory / "server.pem").write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM))
    (directory / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
        now + datetime.timedelta(days=_DAYS)
    )


def main() -> None:
    """Serve until killed."""
    options = arguments("lab.s3_server", "Serve until killed.").parse_args()
    respect_secure_transport()
    hide_emptied_prefixes()
    make_certificates(options.directory, options.address)
    tls.load_cert_chain(options.directory / "server.pem")
    application = DomainDispatcherApplication(create_backend_app)
    server = TlsServer(options.address, options.port, application, handler=Quiet)
    server.daemon_threads = True
    server.serve_forever()


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

if __name__ == "__main__":
    main()
