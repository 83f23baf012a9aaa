"""The operations port over HTTP: `/metrics`, `/healthz` and `/readyz`.

Knows what the gateway says of its models, and nothing of requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from service.protocols import http
from service.protocols.refusals import error_of_http

if TYPE_CHECKING:
    from service.gateway import Gateway

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_operations_app(gateway: Gateway, metrics_text: Callable[[], bytes]) -> ASGIApp:
    """Return the app of the operations port; `metrics_text` gives the Prometheus exposition.

    `/healthz` is 200 as long as the process answers. `/readyz` is 200 when every model that should be
    available is, else 503; either way its body has the state of each version and why it failed.
    """

    async def metrics(_: Request) -> Response:
        return Response(metrics_text(), headers={"content-type": METRICS_TYPE})

    async def healthz(_: Request) -> Response:
        return _json(200, {"status": "alive"})

    async def readyz(_: Request) -> Response:
        ready = gateway.ready()
        return _json(200 if ready else 503, readiness_document(gateway, ready=ready))

    return Starlette(
        routes=[
            Route("/metrics", metrics, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refuse},
    )


def readiness_document(gateway: Gateway, *, ready: bool) -> dict[str, Any]:
    """Return what `/readyz` says: whether to send traffic, and where each version stands."""
    return {
        "ready": ready,
        "draining": gateway.draining,
        "models": [
            {
                "name": status.model.name,
                "version": status.model.version,
                "state": status.state,
                "labels": list(status.labels),
                **({"reason": status.reason} if status.reason else {}),
            }
            for status in gateway.statuses()
        ],
    }


def _json(status: int, document: object) -> Response:
    return Response(http.printable(document), status, {"content-type": "application/json"})


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, headers, body = error_of_http(error, http.new_request_id())
    return Response(body, status, headers)
