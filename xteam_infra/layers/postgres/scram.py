"""PostgreSQL's SCRAM-SHA-256 verifier: what the server keeps instead of a password (RFC 5803)."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

# PostgreSQL's own default. A password of 64 random characters needs no more.
ITERATIONS = 4096
SALT_BYTES = 16


def verifier(password: str, salt: str = "", iterations: int = ITERATIONS) -> str:
    """The verifier of an ASCII password. salt: base64; made at random when empty."""
    raw = b64decode(salt) if salt else secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), raw, iterations)
    stored = hashlib.sha256(_sign(salted, b"Client Key")).digest()
    text = [b64encode(part).decode() for part in (raw, stored, _sign(salted, b"Server Key"))]
    return f"SCRAM-SHA-256${iterations}:{text[0]}${text[1]}:{text[2]}"


def _sign(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
