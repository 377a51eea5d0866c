"""/ws: says back what it hears; "ping" gets "pong".

The token comes in the Authorization header or, from browsers, which can't set one, as two subprotocols: "bearer" and
the token. Not in the address: addresses end up in logs.

Closed with 4401 when the token is missing, bad, revoked or at its end, with 4408 after IDLE_SECONDS of silence, with
1013 when the blacklist can't be asked, with 1012 when this instance stops: connect again after the last two.
"""

import asyncio

from fastapi import APIRouter, HTTPException, WebSocket, WebSocketDisconnect
from redis import RedisError
from starlette.concurrency import run_in_threadpool

from xteam.security import Claims, read_token

router = APIRouter()
IDLE_SECONDS = 300
NOT_AUTHENTICATED, IDLE, TRY_LATER = 4401, 4408, 1013


def _token(socket: WebSocket) -> str:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    offered = socket.scope.get("subprotocols", [])
    return offered[1] if len(offered) == 2 and offered[0] == "bearer" else ""


@router.websocket("/ws")
async def echo(socket: WebSocket) -> None:
    # Accepted before it is refused: only then the close code reaches the client.
    await socket.accept(subprotocol="bearer" if "bearer" in socket.scope.get("subprotocols", []) else None)
    try:
        await _talk(socket, _token(socket))
    except HTTPException as refused:
        await socket.close(NOT_AUTHENTICATED, str(refused.detail))
    except TimeoutError:
        await socket.close(IDLE, "idle")
    except RedisError:
        await socket.close(TRY_LATER, "try again")
    except WebSocketDisconnect:
        pass


async def _talk(socket: WebSocket, token: str) -> None:
    claims: Claims = await run_in_threadpool(read_token, token)
    while True:
        patience = min(IDLE_SECONDS, claims.seconds_left + 1)
        try:
            heard = await asyncio.wait_for(socket.receive_text(), patience)
        finally:
            # Also when the time is up: was it silence, or the token's end?
            await run_in_threadpool(read_token, token)
        await socket.send_text("pong" if heard == "ping" else heard)
