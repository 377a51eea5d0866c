"""How long a WebSocket may last, and how long be silent.

The edge can't tell: to it, what server and browser ask each other to see that they are alive is traffic.
"""

import asyncio
import time
from typing import Any

CONNECT_AGAIN, GOING_AWAY = 1012, 1001


class Lifetime:
    """One WebSocket of an ASGI application: ended at its highest age (1012), or after too long a silence (1001)."""

    def __init__(self, receive: Any, send: Any, max_age: float, idle: float):
        self._receive, self._send, self._idle = receive, send, idle
        self._heard = time.monotonic()
        self._end = self._heard + max_age
        self._over = False

    async def run(self, application: Any, scope: Any) -> None:
        """Serve it."""
        watch = asyncio.create_task(self._watch())
        try:
            await application(scope, self.receive, self.send)
        finally:
            watch.cancel()

    async def receive(self) -> Any:
        """What the client says. After the end the server tells the application that the client is gone."""
        message = await self._receive()
        self._heard = time.monotonic()
        self._over = self._over or message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Any) -> None:
        """Raises OSError after the end, as a server does when the client is gone."""
        if self._over:
            raise OSError("the WebSocket has ended")
        self._heard = time.monotonic()
        self._over = message["type"] == "websocket.close"
        await self._send(message)

    async def _watch(self) -> None:
        while not self._over:
            now = time.monotonic()
            if now >= self._end:
                await self.send({"type": "websocket.close", "code": CONNECT_AGAIN, "reason": "highest age"})
            elif now >= self._heard + self._idle:
                await self.send({"type": "websocket.close", "code": GOING_AWAY, "reason": "idle"})
            else:
                await asyncio.sleep(min(self._end, self._heard + self._idle) - now)
