"""The typed tasks over REST: routes that decode, ask the gateway and encode, and their OpenAPI document.

Knows bodies, replies and the gateway; errors become answers in `service.protocols`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from service.domain import Call, ModelRef, PredictAnswer, Timing
from service.errors import Internal, ServiceError
from service.protocols import http, strict_json
from service.protocols.departure import unless_gone
from service.protocols.edge import CALL, Direct
from service.protocols.openapi import Part, merged
from service.protocols.refusals import error_of_http
from service.protocols.tasks import bodies, codec, examples, replies
from service.protocols.tasks.details import DetailReply
from service.protocols.tasks.events import EventStream
from service.protocols.tasks.openapi import DESCRIPTION, PREDICT_DOCUMENT, RESPONSES, STREAM_RESPONSE

if TYPE_CHECKING:
    from service.gateway import Gateway


class _Api(FastAPI):
    """Says in its document what `others` say as well: the wires that answer without its router."""

    others: Sequence[Part] = ()

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = merged(super().openapi(), self.others)
        return self.openapi_schema


def create_api(gateway: Gateway, others: Sequence[Part] = ()) -> FastAPI:
    """Return the API with its documents under `/openapi.json` and `/docs`; to be wrapped by the edge.

    The documents tell of `others` too: the wires beside it.
    """
    api = _Api(
        title="Sluice",
        version="1",
        description=DESCRIPTION,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.others = others
    api.include_router(_create_router(gateway))
    api.add_exception_handler(ServiceError, _answer_error)
    api.add_exception_handler(RequestValidationError, _answer_error)
    api.add_exception_handler(HTTPException, _answer_router)
    api.add_exception_handler(Exception, _answer_error)
    return api


def predict_directly(gateway: Gateway) -> Direct:
    """Return predict without a router: the same codec, gateway and bytes as the route."""

    async def predict(body: bytes, call: Call) -> tuple[bytes, Timing]:
        ref, request = codec.decode_predict(body)
        answer: PredictAnswer = await gateway.predict(ref, request, call)
        return codec.encode_predict(answer), answer.timing

    return predict


class JsonRequest(Request):
    """A request whose body has been parsed, strictly."""

    def __init__(self, request: Request, document: dict[str, Any]) -> None:
        super().__init__(request.scope, request.receive)
        self._document = document

    async def body(self) -> bytes:
        """Return something that is not empty: what counts is the document."""
        return b"{}"

    async def json(self) -> Any:
        """Return the document."""
        return self._document


class JsonRoute(APIRoute):
    """Parses the body before FastAPI would: strictly, and with our errors."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind our parser."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            http.check_json_type(dict(request.scope["headers"]))
            document = strict_json.loads(await request.body())
            # FastAPI reads a body as JSON only if the caller said that it is.
            request.scope["headers"] = [
                *(entry for entry in request.scope["headers"] if entry[0] != b"content-type"),
                (b"content-type", b"application/json"),
            ]
            return await handler(JsonRequest(request, document))

        return handle


def _call_of(request: Request) -> Call:
    call: Call = request.scope[CALL]
    return call


CallOf = Annotated[Call, Depends(_call_of)]
Version = Annotated[int | None, Query(ge=1, lt=2**63, description="The version by default if not given.")]
Label = Annotated[str | None, Query(description="A label that stands for a version.")]


def _create_router(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/v1", responses=RESPONSES)
    router.include_router(_create_words(gateway))
    router.include_router(_create_catalogue(gateway))
    return router


def _create_words(gateway: Gateway) -> APIRouter:
    router = APIRouter(route_class=JsonRoute, tags=["words"])

    @router.post("/classify", response_model=replies.ClassifyReply)
    async def classify(
        body: Annotated[bodies.ClassifyBody, Body(openapi_examples=examples.CLASSIFY)], call: CallOf
    ) -> Response:
        """The most probable labels of one image, text or row of features."""
        answer = await gateway.classify(body.ref(), body.to_request(), call)
        return _reply(replies.ClassifyReply.of(answer), answer.timing)

    @router.post("/generate", response_model=replies.GenerateReply, responses=STREAM_RESPONSE)
    async def generate(
        request: Request,
        body: Annotated[bodies.GenerateJsonBody, Body(openapi_examples=examples.GENERATE)],
        call: CallOf,
    ) -> Response:
        """The continuation of a prompt; with `stream`, as it is made."""
        if body.stream:
            return EventStream(gateway.generate_stream(body.ref(), body.to_request(), call), call)
        asked = gateway.generate(body.ref(), body.to_request(), call)
        answer = await unless_gone(request.receive, asked)
        return _reply(replies.GenerateReply.of(answer), answer.timing)

    @router.post("/translate", response_model=replies.TranslateReply)
    async def translate(
        request: Request,
        body: Annotated[bodies.TranslateBody, Body(openapi_examples=examples.TRANSLATE)],
        call: CallOf,
    ) -> Response:
        """One translation for each text."""
        asked = gateway.translate(body.ref(), body.to_request(), call)
        answer = await unless_gone(request.receive, asked)
        return _reply(replies.TranslateReply.of(answer), answer.timing)

    @router.post("/score", response_model=replies.ScoreReply)
    async def score(
        body: Annotated[bodies.ScoreBody, Body(openapi_examples=examples.SCORE)], call: CallOf
    ) -> Response:
        """An anomaly score and a verdict for each row."""
        answer = await gateway.score(body.ref(), body.to_request(), call)
        return _reply(replies.ScoreReply.of(answer), answer.timing)

    return router


def _create_catalogue(gateway: Gateway) -> APIRouter:
    router = APIRouter()
    answer_predict = predict_directly(gateway)

    @router.post("/predict", tags=["words"], openapi_extra=PREDICT_DOCUMENT)
    async def predict(request: Request, call: CallOf) -> Response:
        """Named tensors in, named tensors out, through any signature of any model."""
        content, timing = await answer_predict(await request.body(), call)
        return _json(content, timing)

    @router.get("/models", tags=["models"], response_model_exclude_none=True)
    async def list_models() -> replies.ModelsReply:
        """Every model with its versions."""
        return replies.ModelsReply(data=[replies.SummaryReply.of(model) for model in gateway.models()])

    @router.get("/models/{name}", tags=["models"])
    async def get_model(name: str, version: Version = None, label: Label = None) -> DetailReply:
        """One version of a model: what it takes and gives, its bounds, and how good it is."""
        found = gateway.describe(bodies.one_version(ModelRef(name, version, label)))
        return DetailReply.of(*found, gateway.statuses())

    return router


def _reply(reply: replies.Reply, timing: Timing) -> Response:
    return _json(reply.model_dump_json(exclude_none=True).encode(), timing)


def _json(content: bytes, timing: Timing) -> Response:
    headers = {name.decode(): value.decode() for name, value in http.timing_headers(timing)}
    return Response(content, media_type="application/json", headers=headers)


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        error = bodies.first_problem(error.errors())
    elif not isinstance(error, ServiceError):
        error = Internal("internal error")  # the edge logs it: it is raised again after this answer
    status, headers, body = http.error_answer(error, _call_of(request).request_id)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


async def _answer_router(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, headers, body = error_of_http(error, _call_of(request).request_id)
    return Response(body, status, headers)
