"""What the public ports offer and allow, by the settings.

Pure functions from settings to values. Knows no socket and no server.
"""

from __future__ import annotations

from pathlib import Path

from service.config import Place, Settings, Url
from service.observability.tracing import NULL_TRACER, Tracer
from service.protocols.edge import Wire
from service.protocols.limits import WireLimits
from service.protocols.oip.shared_memory import SharedMemory
from service.protocols.operations import scrape
from service.protocols.operations.rest import Exposition
from service.protocols.servers import GrpcOffer


def http_limits(settings: Settings) -> WireLimits:
    """Return the bounds of a REST request."""
    timeout_s = settings.http.timeout_s or settings.limits.request_timeout_s
    return _limits(settings, settings.http.max_body_bytes, timeout_s)


def grpc_limits(settings: Settings) -> WireLimits:
    """Return the bounds of an rpc."""
    return _limits(settings, settings.grpc.max_message_bytes, settings.limits.request_timeout_s)


def _limits(settings: Settings, max_bytes: int, timeout_s: float) -> WireLimits:
    return WireLimits(
        max_body_bytes=max_bytes,
        default_timeout_s=timeout_s,
        max_timeout_s=settings.limits.max_timeout_s,
        max_rpcs=settings.limits.max_in_flight,
    )


def scrapes(settings: Settings, exposition: Exposition) -> tuple[Wire, ...]:
    """Return what answers scrapers on the REST port, if that is asked for."""
    path = settings.http.metrics_path
    return () if path is None else (scrape.wire(path, exposition),)


def grpc_offer(
    settings: Settings, shared_memory: SharedMemory | None = None, tracer: Tracer = NULL_TRACER
) -> GrpcOffer:
    """Return what the gRPC server offers beside its services."""
    # gRPC takes no text for what is a number.
    arguments = {
        name: int(value) if str(value).lstrip("-").isdecimal() else value
        for name, value in settings.grpc.channel_arguments.items()
    }
    return GrpcOffer(settings.grpc.reflection, arguments, model_roots(settings), shared_memory, tracer)


def model_roots(settings: Settings) -> tuple[Place, ...]:
    """Return the directories and URLs below which a reload over the wire may find models: where there are some already.

    These are the models directory, every base path, and the directory that it lies in, if that is not the root of all.
    """
    base_paths = settings.repository.base_paths.values()
    paths = {path.absolute() for path in base_paths if isinstance(path, Path)}
    beside = {path.parent for path in paths if path.parent != path.parent.parent}
    shelf = {settings.models.absolute()} if isinstance(settings.models, Path) else set()
    urls = {place for place in (settings.models, *base_paths) if isinstance(place, Url)}
    return (*sorted(paths | beside | shelf), *sorted(urls))
