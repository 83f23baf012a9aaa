import asyncio
from typing import Any

import orjson
import pytest

from service.domain import Call, Timing
from service.errors import Cancelled, ServiceError, TooLarge
from service.protocols import edge as edges
from service.protocols.edge import CALL, Edge, read_body
from service.protocols.limits import WireLimits

LIMITS = WireLimits(max_body_bytes=10, default_timeout_s=0.05)


class Wire:
    """One request: gives `messages` to the app, then waits for ever; keeps what the app sends."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> Any:
        if self._messages:
            return self._messages.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def error(self) -> dict[str, Any]:
        return orjson.loads(b"".join(message["body"] for message in self.sent[1:]))["error"]


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def scope(path: str = "/direct", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": raw}


async def echo(body: bytes, call: Call) -> tuple[bytes, Timing]:
    return body, Timing()


async def inner(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"] + scope[CALL].protocol.encode()})


async def crash(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("secret")


async def test_a_direct_path_is_answered_without_the_app() -> None:
    wire = Wire(piece(b"ab", more=True), piece(b"cd"))
    await Edge(crash, LIMITS, {"/direct": echo})(scope(x_request_id="r"), wire.receive, wire.send)
    assert wire.status == 200
    assert wire.sent[1]["body"] == b"abcd"
    assert (b"x-request-id", b"r") in wire.sent[0]["headers"]


async def test_every_other_path_goes_to_the_app_with_its_whole_body() -> None:
    wire = Wire(piece(b"ab", more=True), piece(b"cd"))
    await Edge(inner, LIMITS, {"/direct": echo})(scope("/other", x_request_id="r"), wire.receive, wire.send)
    assert wire.sent[1]["body"] == b"abcdrest"
    assert (b"x-request-id", b"r") in wire.sent[0]["headers"]


@pytest.mark.parametrize("path", ["/direct", "/other"])
async def test_a_body_that_does_not_come_is_not_waited_for_beyond_the_deadline(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.protocols.edge.LINGER_S", 0.01)
    wire = Wire(piece(b"a", more=True))
    await Edge(inner, LIMITS, {"/direct": echo})(scope(path), wire.receive, wire.send)
    assert wire.status == 504
    assert wire.error["field"] == "body"
    assert (b"connection", b"close") in wire.sent[0]["headers"]


@pytest.mark.parametrize("path", ["/direct", "/other"])
async def test_an_unexpected_error_is_logged_and_told_as_internal(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(body: bytes, call: Call) -> tuple[bytes, Timing]:
        raise RuntimeError("secret")

    wire = Wire(piece(b"{}"))
    await Edge(crash, LIMITS, {"/direct": fail})(scope(path), wire.receive, wire.send)
    assert wire.status == 500
    assert wire.error["message"] == "internal error"
    assert "RuntimeError" in caplog.text


async def test_a_refused_body_is_read_on_for_a_moment_so_that_the_answer_arrives() -> None:
    wire = Wire(piece(b"x" * 11, more=True), piece(b"y", more=True), piece(b"z"))
    await Edge(inner, LIMITS, {"/direct": echo})(scope(), wire.receive, wire.send)
    assert wire.status == 413
    assert wire._messages == []


async def test_reading_stops_at_the_limit_and_when_the_caller_leaves() -> None:
    assert await read_body(Wire(piece(b"0123456789")).receive, 10) == b"0123456789"
    with pytest.raises(TooLarge):
        await read_body(Wire(piece(b"01234567890")).receive, 10)
    wire = Wire(*(piece(b"0", more=True) for _ in range(100)))
    with pytest.raises(TooLarge):
        await read_body(wire.receive, 10)
    assert len(wire._messages) == 89
    with pytest.raises(Cancelled):
        await read_body(Wire(piece(b"0", more=True), {"type": "http.disconnect"}).receive, 10)


async def test_a_wire_has_its_own_app_under_its_path_and_tells_refusals_in_its_own_words() -> None:
    async def never(*_: object) -> None:
        raise AssertionError("another app answers this path")

    async def own(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope[CALL].request_id.encode() + body})

    def teapot(error: ServiceError, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        return 418, [], orjson.dumps({"error": {"says": error.message, "id": request_id}})

    edge = Edge(never, LIMITS, {}, [edges.Wire(lambda _method, path: path == "/own", own, teapot)])
    fine = Wire(piece(b"?"))
    await edge(scope("/own", x_request_id="r"), fine.receive, fine.send)
    assert fine.sent[1]["body"] == b"r?"
    assert (b"x-request-id", b"r") in fine.sent[0]["headers"]
    large = Wire(piece(b"." * 11))
    await edge(scope("/own", x_request_id="r"), large.receive, large.send)
    assert (large.status, large.error) == (418, {"says": "the body is larger than 10 bytes", "id": "r"})
    announced = Wire()
    await edge(scope("/own", x_request_id="r", content_length="11"), announced.receive, announced.send)
    assert announced.status == 418


async def shout(scope: Any, receive: Any, send: Any) -> None:
    """Answer in capitals."""
    body = (await receive())["body"]
    if body == b"crash":
        raise RuntimeError("secret")
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": edges.sent_path(scope).encode() + body.upper()})


def shouted(error: ServiceError, request_id: str) -> Any:
    return 418, [], orjson.dumps({"error": error.message.upper()})


SHOUTER = edges.Wire(lambda _method, path: path.startswith("/loud"), shout, shouted)


async def test_a_wire_answers_what_it_claims_by_the_path_as_it_was_sent() -> None:
    wire = Wire(piece(b"ab"))
    asked = {**scope("/loud x", x_request_id="r"), "raw_path": b"/loud%20x"}
    await Edge(crash, LIMITS, {}, [SHOUTER])(asked, wire.receive, wire.send)
    assert wire.status == 201
    assert wire.sent[1]["body"] == b"/loud%20xAB"
    assert (b"x-request-id", b"r") in wire.sent[0]["headers"]
    other = Wire(piece(b"ab"))
    await Edge(inner, LIMITS, {}, [SHOUTER])(scope("/other"), other.receive, other.send)
    assert other.status == 200


@pytest.mark.parametrize(
    ("body", "headers", "text"),
    [
        (b"x" * 11, {}, "THE BODY IS LARGER THAN 10 BYTES"),
        (b"", {"x_request_timeout_ms": "x"}, "EXPECTED A POSITIVE WHOLE NUMBER OF MILLISECONDS"),
        (b"crash", {}, "INTERNAL ERROR"),
    ],
)
async def test_every_error_of_a_wires_request_is_told_in_its_words(
    body: bytes, headers: dict[str, str], text: str
) -> None:
    wire = Wire(piece(body))
    await Edge(inner, LIMITS, {}, [SHOUTER])(scope("/loud", **headers), wire.receive, wire.send)
    assert (wire.status, wire.error) == (418, text)
