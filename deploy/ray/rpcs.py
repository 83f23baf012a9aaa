"""Carry the gateway's rpc methods over Serve's gRPC proxy.

The proxy finds a method of the ingress by the last part of an rpc's name, and several of our services share such names:
so every message travels with the whole name. Knows grpcio and Serve's context; knows nothing of what methods do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import grpc

from service.gateway import Gateway
from service.protocols import rpc
from service.protocols.limits import WireLimits
from service.protocols.servers import grpc_services


@dataclass(frozen=True, slots=True)
class Asked:
    """The bytes of one message, and the whole name of its rpc, `/package.Service/Method`."""

    name: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes in the form in which Serve asks for an answer."""

    message: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802  # protobuf's name
        """Return them."""
        return self.message


def add_services(servicer: object, server: grpc.Server) -> None:  # noqa: ARG001  # the proxy routes calls itself
    """Tell a Serve proxy which rpcs there are: an entry of `grpc_options.grpc_servicer_functions`."""
    for service in _services():
        handlers: dict[str, Any] = {}
        for kind, methods in (
            (grpc.unary_unary_rpc_method_handler, service.unary),
            (grpc.unary_stream_rpc_method_handler, service.streams),
            (grpc.stream_stream_rpc_method_handler, service.duplex),
        ):
            for method in methods:
                handlers[method] = kind(
                    _never, request_deserializer=partial(Asked, f"/{service.name}/{method}")
                )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.name, handlers),))


def with_rpcs(ingress: type) -> type:
    """Give a class with an attribute `rpcs` a method for every rpc; a decorator."""
    for service in _services():
        for methods, carried in (
            (service.unary, _unary),
            (service.streams, _stream),
            (service.duplex, _duplex),
        ):
            for method in methods:
                setattr(ingress, method, carried)
    return ingress


async def _unary(ingress: Any, asked: Asked, grpc_context: Any) -> Reply:
    rpcs: Rpcs = ingress.rpcs
    return await rpcs.unary(asked, grpc_context)


async def _stream(ingress: Any, asked: Asked, grpc_context: Any) -> AsyncGenerator[Reply, None]:
    rpcs: Rpcs = ingress.rpcs
    async with aclosing(rpcs.stream(asked, grpc_context)) as replies:
        async for reply in replies:
            yield reply


async def _duplex(
    ingress: Any, messages: AsyncIterator[Asked], grpc_context: Any
) -> AsyncGenerator[Reply, None]:
    rpcs: Rpcs = ingress.rpcs
    async with aclosing(rpcs.duplex(messages, grpc_context)) as replies:
        async for reply in replies:
            yield reply


class Rpcs:
    """The methods of all services behind Serve's proxy: each is run as on a gRPC server of our own."""

    def __init__(self, gateway: Gateway, limits: WireLimits) -> None:
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._max_bytes = limits.max_body_bytes
        for service in grpc_services(gateway, limits):
            rpc.add_service(cast("Any", self), service, limits)

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        """Take what a server would take."""
        self._handlers.extend(handlers)

    async def unary(self, asked: Asked, context: Any) -> Reply:
        """Return the answer to one message; a failure is in the context, with an empty answer."""
        carried = Context(context)
        try:
            self._check(asked, carried)
            return Reply(await self._handler(asked.name).unary_unary(asked.message, carried))
        except Aborted:
            return Reply(b"")

    async def stream(self, asked: Asked, context: Any) -> AsyncGenerator[Reply, None]:
        """Yield the answers to one message; raises Aborted with the failure in the context."""
        carried = Context(context)
        self._check(asked, carried)
        handle = self._handler(asked.name).unary_stream
        async with aclosing(carried.written(handle(asked.message, carried))) as replies:
            async for reply in replies:
                yield reply

    async def duplex(self, messages: AsyncIterator[Asked], context: Any) -> AsyncGenerator[Reply, None]:
        """Yield the answers to a stream of messages; raises Aborted with the failure in the context."""
        first = await anext(messages, None)
        if first is None:
            return
        carried = Context(context)

        async def given() -> AsyncGenerator[bytes, None]:
            self._check(first, carried)
            yield first.message
            async for asked in messages:
                self._check(asked, carried)
                yield asked.message

        handle = self._handler(first.name).stream_stream
        async with aclosing(carried.written(handle(given(), carried))) as replies:
            async for reply in replies:
                yield reply

    def _handler(self, name: str) -> Any:
        details = cast("grpc.HandlerCallDetails", SimpleNamespace(method=name, invocation_metadata=()))
        return next(filter(None, (handler.service(details) for handler in self._handlers)))

    def _check(self, asked: Asked, context: Context) -> None:
        if len(asked.message) > self._max_bytes:
            context.fail(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"expected a message of at most {self._max_bytes} bytes, got {len(asked.message)}",
            )


class Aborted(Exception):
    """An rpc has failed; its status is in the context."""


class Context:
    """What a method asks of grpcio's context, made of Serve's."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    def invocation_metadata(self) -> Any:
        """Return what the caller sent beside the message."""
        return self._given.invocation_metadata()

    def time_remaining(self) -> None:
        """Serve does not tell: when the caller's time is over, it cancels the call."""
        return

    def peer(self) -> str:
        """Return who calls."""
        return str(self._given.peer())

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        """Send these after the answer."""
        self._given.set_trailing_metadata(list(metadata))

    async def write(self, piece: bytes) -> None:
        """Send one answer of a stream."""
        await self._pieces.put(piece)

    async def abort(
        self, code: grpc.StatusCode, message: str, metadata: tuple[tuple[str, str], ...]
    ) -> NoReturn:
        """End the rpc with a status; raises Aborted."""
        self.set_trailing_metadata(metadata)
        self.fail(code, message)

    def fail(self, code: grpc.StatusCode, message: str) -> NoReturn:
        """End the rpc with a status; raises Aborted."""
        self._given.set_code(code)
        self._given.set_details(message)
        raise Aborted(message)

    async def written(self, method: Awaitable[None]) -> AsyncGenerator[Reply, None]:
        """Yield what a method writes while it runs; raises Aborted if it fails."""
        running = asyncio.ensure_future(self._to_its_end(method))
        try:
            while (piece := await self._pieces.get()) is not None:
                yield Reply(piece)
            await running
        finally:
            running.cancel()
            await asyncio.wait((running,))

    async def _to_its_end(self, method: Awaitable[None]) -> None:
        try:
            await method
        finally:
            await self._pieces.put(None)


def _services() -> tuple[rpc.RpcService, ...]:
    """Return all services for the sake of their names: made without a gateway, they can answer nothing."""
    return grpc_services(cast("Gateway", None), WireLimits())


def _never(*_: object) -> Callable[..., NoReturn]:
    raise AssertionError("Serve's proxy puts its own behaviour in place of this")
