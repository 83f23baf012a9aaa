"""The routes of OpenAI's wire: decode, ask the gateway, encode, as a whole or as a stream.

Knows HTTP and the gateway. What the fields mean is in `completions`, `chat` and `embeddings`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.domain import Call, ModelId, TextChunk
from service.errors import Internal, Invalid, ServiceError
from service.protocols import http, streams
from service.protocols.departure import unless_gone
from service.protocols.edge import CALL, Wire, sent_path
from service.protocols.openai import chat, completions, embeddings
from service.protocols.openai.choices import Chunks, Indexed, Usage, Whole, side_by_side, whole
from service.protocols.openai.errors import error_answer, error_event
from service.protocols.openai.head import Head
from service.protocols.openai.plan import Plan

if TYPE_CHECKING:
    from service.gateway import Gateway

Handler = Callable[[bytes, Call, Receive], Awaitable[Response]]

_log = logging.getLogger(__name__)


class Documents(Protocol):
    """What completions and chat do not have in common."""

    def pieces(self, index: int, chunk: TextChunk) -> list[dict[str, Any]]:
        """Return what a stream says of a chunk."""

    def usage(self, model: ModelId, usage: Usage) -> dict[str, Any]:
        """Return what a stream says in the end."""

    def whole(self, made: list[Whole]) -> dict[str, Any]:
        """Return the answer in one document."""


def wire(gateway: Gateway) -> Wire:
    """Return what answers OpenAI's paths, for the edge."""
    routes: dict[str, Handler] = {
        "/v1/completions": _generation(gateway, "cmpl", completions.decode, completions.CompletionDocuments),
        "/v1/chat/completions": _generation(gateway, "chatcmpl", chat.decode, chat.ChatDocuments),
        "/v1/embeddings": _embedding(gateway),
    }
    return Wire(lambda _method, path: path in routes, _app(routes), error_answer)


def _app(routes: Mapping[str, Handler]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await _respond(routes[sent_path(scope)], scope, receive)
            await response(scope, receive, send)
        except ServiceError as error:
            await _refusal(error)(scope, receive, send)

    return app


async def _respond(handler: Handler, scope: Scope, receive: Receive) -> Response:
    if scope["method"] != "POST":
        refusal = _refusal(Invalid("this route answers POST only", field="method"))
        refusal.status_code = 405
        refusal.headers["allow"] = "POST"
        return refusal
    call: Call = replace(scope[CALL], protocol="openai")
    try:
        http.check_json_type(dict(scope["headers"]))
        message = await receive()  # the edge has read the whole body
        return await handler(message["body"], call, receive)
    except ServiceError:
        raise
    except Exception as error:
        _log.exception("request %s failed", call.request_id, extra={"request_id": call.request_id})
        raise Internal("internal error") from error


def _refusal(error: ServiceError) -> Response:
    status, headers, body = error_answer(error, "")
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


def _generation(
    gateway: Gateway,
    prefix: str,
    decode: Callable[[bytes], Plan],
    documents_of: Callable[[Head, Plan], Documents],
) -> Handler:
    async def answer(body: bytes, call: Call, receive: Receive) -> Response:
        plan = decode(body)
        documents = documents_of(Head(f"{prefix}-{call.request_id}", int(time.time())), plan)
        pieces = side_by_side(
            [
                _named(gateway.generate_stream(plan.ref, sequence, call), plan.prompt_field)
                for sequence in plan.sequences
            ]
        )
        if plan.stream:
            return streams.EventStream(_events(pieces, documents, plan), call, error_event)
        made = await unless_gone(receive, whole(pieces))
        return _json(documents.whole(made))

    return answer


async def _events(pieces: Indexed, documents: Documents, plan: Plan) -> AsyncGenerator[bytes, None]:
    usage = Usage(plan.made)
    async with aclosing(pieces):
        async for index, chunk in pieces:
            usage.add(index, chunk)
            for document in documents.pieces(index, chunk):
                yield streams.event(http.printable(document))
    if plan.include_usage:
        yield streams.event(http.printable(documents.usage(chunk.model, usage)))


async def _named(chunks: Chunks, prompt_field: str) -> Chunks:
    """Yield `chunks`; an error that is about the prompt names the field that it came from."""
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                yield chunk
        except ServiceError as error:
            if error.field == "prompt":
                error.field = prompt_field
            raise


def _embedding(gateway: Gateway) -> Handler:
    async def answer(body: bytes, call: Call, receive: Receive) -> Response:
        return _json(await unless_gone(receive, embeddings.answer(gateway, body, call)))

    return answer


def _json(document: Mapping[str, Any]) -> Response:
    return Response(http.printable(document), media_type="application/json")
