"""Begins a trace for each HTTP request and ends it when its answer is sent; wraps the whole app.

Knows ASGI and the names that HTTP has in traces (OpenTelemetry's semantic conventions). Knows no route and no wire;
without tracing it is not there.
"""

from __future__ import annotations

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability import tracing
from service.observability.tracing import Arrival, Attributes, Departure, Tracer

MAX_PATH_CHARACTERS = 256
_VARIABLE = re.compile(r"(?<=/)(?P<kind>model|version|label|region)(?P<many>s?)/[^/:]+")
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class TracedApp:
    """Answers as `app` does, with the W3C context of the trace in the headers."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = self._tracer.start(arrival(scope, time.monotonic()))
        added = [(name.encode("ascii"), value.encode("ascii")) for name, value in trace.headers.items()]
        status: int | None = None

        async def send_told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        token = tracing.enter(trace)
        try:
            await self._app(scope, receive, send_told)
        finally:
            tracing.leave(token)
            if trace.sampled:
                trace.depart(departure(scope, status, time.monotonic()))


def arrival(scope: Scope, now_s: float) -> Arrival:
    """Return what the head of a request says; more than one `traceparent` says nothing, many `tracestate` are one."""
    parents = [value for name, value in scope["headers"] if name == b"traceparent"]
    states = [value for name, value in scope["headers"] if name == b"tracestate"]
    method = _method(scope)
    attributes: Attributes = {
        "http.request.method": method,
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"][:MAX_PATH_CHARACTERS],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    return Arrival(
        method,
        now_s,
        parents[0].decode("latin-1") if len(parents) == 1 else "",
        b",".join(states).decode("latin-1"),
        attributes,
    )


def departure(scope: Scope, status: int | None, now_s: float) -> Departure:
    """Return how a request ended with `status`; None if nobody was there any more to be told one.

    A span is named after a route only if there is one: after what a client makes up, there would be no end of names.
    """
    if status is None:
        return Departure(now_s, attributes={"error.type": "CANCELLED"}, refused=True)
    attributes: dict[str, tracing.Value] = {"http.response.status_code": status}
    if status >= 400:
        attributes["error.type"] = str(status)
    name = None
    if status < 400:
        attributes["http.route"] = route = _VARIABLE.sub(r"\g<kind>\g<many>/{\g<kind>}", scope["path"])
        name = f"{_method(scope)} {route}"
    return Departure(now_s, name, attributes, failed=status >= 500, refused=400 <= status < 500)


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _KNOWN_METHODS else "_OTHER"
