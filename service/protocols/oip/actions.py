"""What each REST action answers: it decodes, asks the gateway and encodes.

Knows bodies, documents and the gateway. Knows no ASGI and no path.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from service.domain import Call, GenerateAnswer, ModelRef, TextChunk
from service.errors import Invalid, Unsupported
from service.protocols import http
from service.protocols.oip import bodies, catalogue, generation, raw_request, registration, text_answer
from service.protocols.oip.asking import MAX_TIMEOUT_US, flag, whole_number
from service.protocols.oip.events import EventStream
from service.protocols.oip.inference import infer, within
from service.protocols.oip.intake import Intake
from service.protocols.oip.loading import carry_out
from service.protocols.oip.reference import model_ref, naming
from service.protocols.oip.reply import HEADER_LENGTH, Reply, document, inferred
from service.protocols.oip.routes import REGION_ACTIONS, Route
from service.protocols.oip.shared_memory import SharedMemory

if TYPE_CHECKING:
    from service.gateway import Gateway


T = TypeVar("T")


class WhileHere(Protocol):
    """Return what the work returns; raises Cancelled, and ends the work, if the caller leaves first."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> Coroutine[Any, Any, T]: ...  # noqa: D102  # the class says it


class Actions:
    """Answers every route of the protocol."""

    def __init__(self, gateway: Gateway, shared_memory: SharedMemory | None) -> None:
        self._gateway = gateway
        self._shared_memory = shared_memory
        self._documents: dict[str, Callable[[ModelRef, bytes], Reply]] = {
            "server": lambda *_: document(registration.server(gateway, shared_memory)),
            "live": lambda *_: document({"live": True}),
            "ready": self._ready,
            "index": self._index,
            "all_statistics": lambda *_: self._statistics(ModelRef()),
            "trace": self._trace,
            "model_trace": self._model_trace,
            "logging": self._logging,
            "model": lambda ref, _: document(catalogue.model(gateway, ref)),
            "model_ready": self._model_ready,
            "config": lambda ref, _: document(catalogue.config(gateway, ref)),
            "statistics": lambda ref, _: self._statistics(ref),
        }

    async def answer(
        self, route: Route, headers: http.Headers, body: bytes, call: Call, while_here: WhileHere
    ) -> Reply | EventStream:
        """Return the answer to one request; what takes long ends when the caller leaves. Raises ServiceError."""
        if route.action in {"load", "unload"}:
            return await while_here(self._load_or_unload(route.action, route.name, body, call))
        if route.action in REGION_ACTIONS:
            return registration.answer(self._shared_memory, route, body)
        ref = model_ref(route.name, route.version) if route.name else ModelRef()
        if route.action == "infer":
            return await self._infer(ref, headers, body, call, while_here)
        if route.action == "generate":
            return await while_here(self._generate(ref, body, call))
        if route.action == "generate_stream":
            return self._generate_stream(ref, body, call)
        return self._documents[route.action](ref, body)

    async def _infer(
        self, ref: ModelRef, headers: http.Headers, body: bytes, call: Call, while_here: WhileHere
    ) -> Reply:
        header_bytes = _header_bytes(headers)
        if header_bytes == 0:
            with naming(ref):
                found, manifest = self._gateway.describe(ref)
            ref = ModelRef(found.name, found.version)
            asked = raw_request.decode(body, manifest)
        else:
            asked = bodies.decode(body, header_bytes, Intake(self._shared_memory))
        if generation.means_text(self._gateway, ref, asked):
            answer = await while_here(text_answer.answer(self._gateway, ref, asked, call))
        else:
            answer = await infer(self._gateway, ref, asked, call)
        return inferred(*bodies.encode(answer.model, answer.id, answer.outputs), answer.timing)

    async def _load_or_unload(self, action: str, name: str, body: bytes, call: Call) -> Reply:
        control = self._gateway.control(action, call)
        given = bodies.parse(body) if body.strip() else {}
        parameters = bodies.parameters_of(given, "parameters")
        await carry_out(control, action, name, parameters, call.deadline_at_s)
        return document({"name": name, action: True})

    async def _generate(self, ref: ModelRef, body: bytes, call: Call) -> Reply:
        given = _generate_body(body)
        request = generation.request_of(given)
        with naming(ref):
            answer = await self._gateway.generate(ref, request, _within(call, given))
        reply = document(_text_document(answer, answer.text, bodies.request_id(given)))
        return Reply(reply.body, headers=tuple(http.timing_headers(answer.timing)))

    def _generate_stream(self, ref: ModelRef, body: bytes, call: Call) -> EventStream:
        given = _generate_body(body)
        request = generation.request_of(given)
        request_id = bodies.request_id(given)
        call = _within(call, given)

        def write(chunk: TextChunk) -> object:
            return _text_document(chunk, chunk.text, request_id)

        with naming(ref):
            self._gateway.describe(ref)
        return EventStream(self._gateway.generate_stream(ref, request, call), write, call)

    def _ready(self, *_: object) -> Reply:
        ready = self._gateway.ready()
        return document({"ready": ready}, 200 if ready else 400)

    def _model_ready(self, ref: ModelRef, _: bytes) -> Reply:
        ready = catalogue.is_ready(self._gateway, ref)
        return document({"name": ref.name, "ready": ready}, 200 if ready else 400)

    def _index(self, _: ModelRef, body: bytes) -> Reply:
        given = bodies.parse(body) if body.strip() else {}
        return document(catalogue.index(self._gateway, only_ready=flag(given, "ready", "body")))

    def _statistics(self, ref: ModelRef) -> Reply:
        return document({"model_stats": catalogue.statistics(self._gateway, ref)})

    def _trace(self, _: ModelRef, body: bytes) -> Reply:
        _refuse_settings(body, "trace")
        return document(catalogue.TRACE_SETTINGS)

    def _model_trace(self, ref: ModelRef, body: bytes) -> Reply:
        with naming(ref):
            self._gateway.describe(ref)
        return self._trace(ref, body)

    def _logging(self, _: ModelRef, body: bytes) -> Reply:
        _refuse_settings(body, "log")
        return document(catalogue.log_settings())


def _refuse_settings(body: bytes, what: str) -> None:
    if body.strip() and bodies.parse(body):
        raise Unsupported(f"{what} settings cannot be changed here")


def _header_bytes(headers: http.Headers) -> int | None:
    given = headers.get(HEADER_LENGTH)
    if given is None:
        return None
    if not given.isdigit() or len(given) > 18:
        raise Invalid("expected a number of bytes", field=HEADER_LENGTH.decode())
    return int(given)


def _generate_body(body: bytes) -> dict[str, Any]:
    """Return the keys of a generate request, those within `parameters` among them."""
    given = bodies.parse(body)
    return {**bodies.parameters_of(given, "parameters"), **given}


def _within(call: Call, given: dict[str, Any]) -> Call:
    microseconds = whole_number(given, "timeout", MAX_TIMEOUT_US)
    return within(call, microseconds / 1e6 if microseconds else None)


def _text_document(answer: GenerateAnswer | TextChunk, text: str, request_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {"model_name": answer.model.name, "model_version": str(answer.model.version)}
    if request_id:
        told["id"] = request_id
    told[generation.TEXT_OUTPUT] = text
    if answer.finish_reason is not None:
        told["finish_reason"] = answer.finish_reason
    return told
