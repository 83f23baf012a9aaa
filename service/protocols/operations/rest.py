"""The operations port over HTTP: `/metrics`, `/healthz`, `/readyz`, and admin calls.

Knows what the gateway says of its models, and nothing of requests for answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from service.errors import Internal, ServiceError
from service.protocols import http
from service.protocols.edge import CALL, Edge
from service.protocols.limits import WireLimits
from service.protocols.operations import admin, documents
from service.protocols.refusals import error_of_http

if TYPE_CHECKING:
    from service.gateway import Gateway

Exposition = Callable[[str], tuple[bytes, str]]
"""From an `accept` header to the metrics and their media type."""

MAX_BODY_BYTES = 64 * 1024


def create_operations_app(
    gateway: Gateway, exposition: Exposition, limits: WireLimits | None = None
) -> ASGIApp:
    """Return the app of the operations port; `exposition` gives the metrics.

    `limits` are the public ports'; bodies are small here, and calls may take as long as any may.

    `/healthz` is 200 as long as the process answers. `/readyz` is 200 when every model that should be
    available is, else 503; either way its body has the state of each version and why it failed.
    """

    async def metrics(request: Request) -> Response:
        content, media_type = exposition(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type, "vary": "accept"})

    async def healthz(_: Request) -> Response:
        return _json(200, {"status": "alive"})

    async def readyz(_: Request) -> Response:
        ready = gateway.ready()
        return _json(200 if ready else 503, documents.readiness(gateway, ready=ready))

    app = Starlette(
        routes=[
            Route("/metrics", metrics, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            *admin.create_routes(gateway),
        ],
        exception_handlers={HTTPException: _refuse_route, ServiceError: _refuse, Exception: _refuse},
    )
    app.router.redirect_slashes = False
    return Edge(app, replace((limits or WireLimits()).patient(), max_body_bytes=MAX_BODY_BYTES), {})


def _json(status: int, document: object) -> Response:
    return Response(http.printable(document), status, {"content-type": "application/json"})


async def _refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        error = Internal("internal error")  # the edge logs it: it is raised again after this answer
    status, headers, body = http.error_answer(error, request.scope[CALL].request_id)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, headers, body = error_of_http(error, request.scope[CALL].request_id)
    return Response(body, status, headers)
