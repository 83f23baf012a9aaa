"""The metrics on the public REST port, at a path of the operator's choice, for scrapers that look there.

Knows one path. Knows nothing of the other operations: they stay on their own port.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from service.protocols.edge import Wire
from service.protocols.operations.rest import METRICS_TYPE


def wire(path: str, metrics_text: Callable[[], bytes]) -> Wire:
    """Return what answers GET and HEAD of `path`, for the edge; `metrics_text` gives the exposition."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        content = metrics_text()
        headers = [
            (b"content-type", METRICS_TYPE.encode("ascii")),
            (b"content-length", b"%d" % len(content)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    return Wire(lambda method, asked: asked == path and method in {"GET", "HEAD"}, app)
