"""Puts the protocols onto their servers: one HTTP app and one gRPC server, each for all protocols.

Knows which protocols there are; addresses, signals and life cycles belong to the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc.aio
from starlette.types import ASGIApp

from service.protocols import health, rpc
from service.protocols.edge import Edge
from service.protocols.limits import WireLimits
from service.protocols.oip import grpc as oip_grpc
from service.protocols.oip import rest as oip_rest
from service.protocols.openai import rest as openai_rest
from service.protocols.tasks import grpc as tasks_grpc
from service.protocols.tasks import rest as tasks_rest
from service.protocols.tfserving import grpc as tfserving_grpc
from service.protocols.tfserving import rest as tfserving_rest

if TYPE_CHECKING:
    from service.gateway import Gateway


def create_http_app(gateway: Gateway, limits: WireLimits) -> ASGIApp:
    """Return the ASGI app of the REST port, with `/openapi.json` and `/docs`; it needs no lifespan."""
    api = tasks_rest.create_api(gateway)
    direct = {"/v1/predict": tasks_rest.predict_directly(gateway)}
    wires = (openai_rest.wire(gateway), tfserving_rest.wire(gateway, limits))
    return Edge(api, limits, direct, wires, mounted={"v2": oip_rest.create_app(gateway, limits)})


def create_grpc_server(gateway: Gateway, limits: WireLimits, *, reflection: bool = True) -> grpc.aio.Server:
    """Return the server of the gRPC port, with health; it has no port and is not started.

    With `reflection` it describes its services to tools such as grpcurl.
    """
    server = grpc.aio.server(options=rpc.options(limits), maximum_concurrent_rpcs=limits.max_rpcs)
    rpc.add_service(server, tasks_grpc.service(gateway), limits)
    rpc.add_service(server, oip_grpc.service(gateway), limits)
    for service in tfserving_grpc.services(gateway, limits):
        rpc.add_service(server, service, limits)
    rpc.add_service(server, health.service(gateway), limits)
    if reflection:
        health.reflect(server, tasks_grpc.SERVICE, oip_grpc.SERVICE, *tfserving_grpc.SERVICES)
    return server
