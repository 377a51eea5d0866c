"""Where the application's errors arrive."""

import gzip
import http.server
import json
from typing import Any, ClassVar


class Collector(http.server.BaseHTTPRequestHandler):
    """Stands where Sentry would: keeps the events it is sent."""

    events: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = gzip.decompress(body).splitlines() if self.headers["Content-Encoding"] == "gzip" else body.splitlines()
        self.events += [event for event in map(json.loads, lines) if "exception" in event]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass
