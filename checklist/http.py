"""An HTTP client for checks: speaks to one address as if it were the public name, and records what it sees."""

import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

from checklist.evidence import Evidence, Recorder
from checklist.hosts import Memo

SECONDS = 10


@dataclass(frozen=True)
class Response:
    """headers: lower case names, a repeated header's values joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """Requests from the controller. A refused connection is an answer (OSError); use pytest.raises to expect it."""

    def __init__(self, recorder: Recorder, memo: Memo):
        self._recorder, self._memo = recorder, memo

    def __call__(
        self,
        address: str,
        path: str = "/",
        *,
        method: str = "GET",
        name: str = "",
        headers: dict[str, str] | None = None,
        body: bytes | str | None = None,
        tls: bool = True,
        port: int = 0,
        ca: str | None = None,
        verify: bool = True,
        timeout: float = SECONDS,
    ) -> Response:
        """Ask `address` for `path`. Redirects are answers, not followed.

        name: server name for TLS (SNI and verification) and the Host header; default: the address.
        ca: PEM text of the authority to trust; default: the system's. verify=False trusts anything.
        """
        if method not in ("GET", "HEAD", "OPTIONS"):
            self._memo.forget()
        port = port or (443 if tls else 80)
        started = time.monotonic()
        command = f"{method} {'https' if tls else 'http'}://{name or address}:{port}{path} at {address}"
        request = {"method": method, "url": path, "body": body, "headers": {"Host": name or address, **(headers or {})}}
        try:
            response = _ask(address, port, name or address, request, _context(ca, verify) if tls else None, timeout)
        except OSError as error:
            self._record(command, 0, "", str(error), started)
            raise
        head = "".join(f"{key}: {value}\n" for key, value in response.headers.items())
        self._record(command, response.status, f"{head}\n{response.text}", "", started)
        return response

    def _record(self, command: str, status: int, stdout: str, stderr: str, started: float) -> None:
        ms = (time.monotonic() - started) * 1000
        self._recorder.record(Evidence("controller", command, status, stdout, stderr, ms))


def _ask(
    address: str, port: int, name: str, request: dict[str, Any], context: ssl.SSLContext | None, timeout: float
) -> Response:
    with socket.create_connection((address, port), timeout=timeout) as plain:
        connection = http.client.HTTPConnection(name, port, timeout=timeout)
        connection.sock = context.wrap_socket(plain, server_hostname=name) if context else plain
        try:
            connection.request(**request)
            answer = connection.getresponse()
            headers: dict[str, str] = {}
            for key, value in answer.getheaders():
                key = key.lower()
                headers[key] = f"{headers[key]}, {value}" if key in headers else value
            return Response(answer.status, headers, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer: {error!r}") from error
        finally:
            connection.close()


def _context(ca: str | None, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
