"""The metrics on the public REST port, at a path of the operator's choice, for scrapers that look there.

Knows one path. Knows nothing of the other operations: they stay on their own port.
"""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from service.protocols.edge import Wire
from service.protocols.operations.rest import Exposition


def wire(path: str, exposition: Exposition) -> Wire:
    """Return what answers GET and HEAD of `path`, for the edge; `exposition` gives the metrics."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        content, media_type = exposition(dict(scope["headers"]).get(b"accept", b"").decode("latin-1"))
        headers = [
            (b"content-type", media_type.encode("ascii")),
            (b"vary", b"accept"),
            (b"content-length", b"%d" % len(content)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    return Wire(lambda method, asked: asked == path and method in {"GET", "HEAD"}, app)
