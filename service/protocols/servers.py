"""Puts the protocols onto their servers: one HTTP app and one gRPC server, each for all protocols.

Knows which protocols there are; addresses, signals and life cycles belong to the app.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc.aio
from starlette.types import ASGIApp

from service.config import Place
from service.observability.tracing import NULL_TRACER, Tracer
from service.protocols import health, rpc
from service.protocols.edge import Edge, Wire
from service.protocols.limits import WireLimits
from service.protocols.oip import grpc as oip_grpc
from service.protocols.oip import openapi as oip_openapi
from service.protocols.oip import rest as oip_rest
from service.protocols.oip.shared_memory import SharedMemory
from service.protocols.openai import openapi as openai_openapi
from service.protocols.openai import rest as openai_rest
from service.protocols.tasks import grpc as tasks_grpc
from service.protocols.tasks import rest as tasks_rest
from service.protocols.tfserving import grpc as tfserving_grpc
from service.protocols.tfserving import openapi as tfserving_openapi
from service.protocols.tfserving import rest as tfserving_rest
from service.protocols.traced_http import TracedApp
from service.protocols.traced_rpc import TracedRpcs

if TYPE_CHECKING:
    from service.gateway import Gateway


def create_http_app(
    gateway: Gateway,
    limits: WireLimits,
    *further: Wire,
    shared_memory: SharedMemory | None = None,
    tracer: Tracer = NULL_TRACER,
) -> ASGIApp:
    """Return the ASGI app of the REST port, with `/openapi.json` and `/docs`; it needs no lifespan.

    What `further` wires claim is theirs.
    """
    others = (openai_openapi.part(), tfserving_openapi.part(), oip_openapi.part())
    api = tasks_rest.create_api(gateway, others)
    direct = {"/v1/predict": tasks_rest.predict_directly(gateway)}
    wires = (*further, openai_rest.wire(gateway), tfserving_rest.wire(gateway, limits))
    mounted = {"v2": oip_rest.create_app(gateway, limits, shared_memory)}
    app = Edge(api, limits, direct, wires, mounted=mounted)
    return TracedApp(app, tracer) if tracer.enabled else app


@dataclass(frozen=True, slots=True)
class GrpcOffer:
    """What a gRPC server offers beside its services.

    With `reflection` it describes them to tools such as grpcurl. `arguments` are further ones of gRPC itself. A reload
    of the configuration may serve what lies below `model_roots`. Tensors may lie in `shared_memory` if there is any.
    What is asked is told to `tracer`.
    """

    reflection: bool = True
    arguments: Mapping[str, str | int] = field(default_factory=dict)
    model_roots: tuple[Place, ...] = ()
    shared_memory: SharedMemory | None = None
    tracer: Tracer = NULL_TRACER


def create_grpc_server(
    gateway: Gateway, limits: WireLimits, offer: GrpcOffer | None = None
) -> grpc.aio.Server:
    """Return the server of the gRPC port, with health; it has no port and is not started."""
    offer = offer or GrpcOffer()
    arguments = {**dict(rpc.options(limits)), **offer.arguments}
    server = grpc.aio.server(
        interceptors=[TracedRpcs(offer.tracer)] if offer.tracer.enabled else None,
        options=list(arguments.items()),
        maximum_concurrent_rpcs=limits.max_rpcs,
    )
    for service in grpc_services(gateway, limits, offer):
        rpc.add_service(server, service, limits)
    if offer.reflection:
        health.reflect(server, tasks_grpc.SERVICE, oip_grpc.SERVICE, *tfserving_grpc.SERVICES)
    return server


def grpc_services(
    gateway: Gateway, limits: WireLimits, offer: GrpcOffer | None = None
) -> tuple[rpc.RpcService, ...]:
    """Return the services of all protocols, with health."""
    offer = offer or GrpcOffer()
    return (
        tasks_grpc.service(gateway),
        oip_grpc.service(gateway, offer.shared_memory),
        *tfserving_grpc.services(gateway, limits, offer.model_roots),
        health.service(gateway),
    )
