"""TensorFlow Serving's REST API: each address decodes, asks the gateway and encodes.

Knows addresses, bodies and the gateway; what a body may be in size and time is the edge's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from service.domain import Call, ModelRef, Timing
from service.errors import ServiceError
from service.protocols import http, model_states
from service.protocols.edge import CALL, Wire, sent_path
from service.protocols.limits import WireLimits
from service.protocols.tfserving import (
    addresses,
    examples,
    faults,
    inference,
    json_text,
    metadata,
    outputs,
    predictions,
    standing,
)

if TYPE_CHECKING:
    from service.gateway import Gateway

Answer = tuple[int, http.RawHeaders, bytes]


def wire(gateway: Gateway, limits: WireLimits) -> Wire:
    """Return what answers TensorFlow Serving's addresses, for the edge."""
    return Wire(addresses.claims, _App(gateway, limits), faults.error_answer, packs=True)


class _App:
    """Answers what `addresses` claims."""

    def __init__(self, gateway: Gateway, limits: WireLimits) -> None:
        self._gateway = gateway
        self._inference = inference.Inference(gateway, limits.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: Call = scope[CALL]
        message = await receive()  # the edge has read the whole body
        body = message.get("body", b"")
        try:
            status, headers, content = await self._answer(scope["method"], sent_path(scope), body, call)
        except ServiceError as error:
            status, headers, content = faults.error_answer(error, call.request_id)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, method: str, path: str, body: bytes, call: Call) -> Answer:
        address = addresses.parse(method, path)
        if address.verb == "status":
            found = standing.meant(self._gateway.statuses(), address.ref)
            return _json(http.printable({"model_version_status": model_states.documents(found)}))
        try:
            if address.verb == "metadata":
                return _json(http.printable(metadata.document(*self._gateway.describe(address.ref))))
            if address.verb == "predict":
                return await self._predict(address.ref, body, call)
            return await self._infer(address.ref, address.verb, body, call)
        except ServiceError as error:
            raise faults.told(error, address.ref) from error

    async def _predict(self, ref: ModelRef, body: bytes, call: Call) -> Answer:
        # Nothing is awaited between the two: the version whose signatures are read is the one that answers.
        asked = predictions.decode(body, self._gateway.describe(ref)[1])
        answer = await self._gateway.predict(ref, asked.request, call)
        encode = outputs.by_row if asked.by_row else outputs.by_column
        return _json(encode(answer.outputs), answer.timing)

    async def _infer(self, ref: ModelRef, method: inference.Method, body: bytes, call: Call) -> Answer:
        document = json_text.loads(body)
        rows = examples.from_document(document)
        found = await self._inference.run(ref, predictions.signature_name(document), method, rows, call)
        return _json(outputs.results(found.values, found.labels), found.answer.timing)


def _json(content: bytes, timing: Timing | None = None) -> Answer:
    headers = [] if timing is None else http.timing_headers(timing)
    headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", b"%d" % len(content)))
    return 200, headers, content
