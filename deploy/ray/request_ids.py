"""Leave the naming of REST requests to Serve, which writes `x-request-id` into every answer.

Knows ASGI. Without this the header would come twice: the gateway names requests too, and takes the same name.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"


def without_request_id(app: ASGIApp) -> ASGIApp:
    """Return `app` with that header left out of its answers."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unnamed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [entry for entry in message["headers"] if entry[0] != HEADER]
            await send(message)

        await app(scope, receive, send_unnamed)

    return answer
