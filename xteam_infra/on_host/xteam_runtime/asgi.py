"""The application, its WebSockets ended in time, behind what the edge is told: whether this instance may get requests.

Served by uvicorn in the application's place. While the file XTEAM_API_DRAINED exists, the readiness path answers 404,
which tells the edge to send nothing new here and to leave alone what is under way. Every answer to a readiness check is
noted in XTEAM_API_STATE as <address>-<status>: xteam-switch sees there that each edge has heard it.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from xteam_runtime.lifetime import Lifetime

# xteam-switch asks with this header, and learns whether an instance would be ready.
PROBE = b"x-xteam-probe"
READY_PATH = os.environ["XTEAM_API_READY_PATH"]
STATE, DRAINED = Path(os.environ["XTEAM_API_STATE"]), Path(os.environ["XTEAM_API_DRAINED"])
MAX_AGE, IDLE = (float(os.environ[f"XTEAM_API_WEBSOCKET_{name}"]) for name in ("MAX_AGE", "IDLE"))
_module, _, _name = os.environ["XTEAM_API_APP"].partition(":")
_application = getattr(import_module(_module), _name)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] == "websocket":
        await Lifetime(receive, send, MAX_AGE, IDLE).run(_application, scope)
        return
    if scope["type"] != "http" or scope["path"] != READY_PATH or any(name == PROBE for name, _ in scope["headers"]):
        await _application(scope, receive, send)
        return

    async def note_and_send(message: Any) -> None:
        await send(message)
        if message["type"] == "http.response.start" and scope["client"]:
            (STATE / f"{scope['client'][0]}-{message['status']}").touch()

    if DRAINED.exists():
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await note_and_send({"type": "http.response.start", "status": 404, "headers": headers})
        await note_and_send({"type": "http.response.body", "body": b'{"detail":"drained"}'})
    else:
        await _application(scope, receive, note_and_send)
