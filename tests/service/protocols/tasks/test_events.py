import asyncio
import json
from typing import Any

import httpx
import pytest

from service.errors import Internal, NotFound
from service.protocols.edge import Edge
from service.protocols.limits import WireLimits
from service.protocols.servers import create_http_app
from tests.support.gateway import FakeGateway

BODY = {"prompt": "a", "stream": True}


def events(text: str) -> list[Any]:
    """Return what the events say: JSON, or text that is none."""
    lines = text.split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") and "\n" not in line for line in lines)
    return [json.loads(line[6:]) if line[6:] != "[DONE]" else "[DONE]" for line in lines]


async def test_chunks_come_as_events_and_the_last_has_the_counts(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/generate", json=BODY)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert "content-length" not in response.headers
    model = {"name": "fake", "version": 3}
    assert events(response.text) == [
        {"model": model, "text": "one "},
        {"model": model, "text": "two "},
        {
            "model": model,
            "text": "three",
            "finish_reason": "length",
            "usage": {"prompt_tokens": 2, "completion_tokens": 3},
        },
        "[DONE]",
    ]


async def test_text_with_line_breaks_stays_one_event(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.chunks = ("a\n\nb", "\r\ndata: [DONE]\u2028")
    found = events((await http.post("/v1/generate", json=BODY)).text)
    assert "".join(chunk["text"] for chunk in found[:-1]) == "a\n\nb\r\ndata: [DONE]\u2028"


async def test_an_error_before_the_first_chunk_has_its_status(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.fail = NotFound("none", field="model")
    response = await http.post("/v1/generate", json=BODY)
    assert response.status_code == 404
    assert response.json()["error"]["field"] == "model"


async def test_an_error_in_the_middle_is_the_last_event(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.fail_after = Internal("internal error")
    response = await http.post("/v1/generate", json=BODY, headers={"x-request-id": "r-1"})
    found = events(response.text)
    assert [chunk["text"] for chunk in found[:-1]] == ["one ", "two ", "three"]
    assert found[-1] == {"error": {"code": "INTERNAL", "message": "internal error", "request_id": "r-1"}}


class Caller:
    """Speaks ASGI to an app: sends one POST, and leaves when told to."""

    def __init__(self, app: Edge, path: str, body: bytes, headers: dict[bytes, bytes] | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self._body: bytes | None = body
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": list((headers or {}).items()),
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def ended(self) -> None:
        """Wait until the app has returned."""
        await asyncio.wait_for(self.task, 5)


def ask(gateway: FakeGateway, body: object, path: str = "/v1/generate", **headers: str) -> Caller:
    app = create_http_app(gateway, WireLimits())
    raw = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Caller(app, path, json.dumps(body).encode(), raw)


async def test_a_caller_who_leaves_closes_the_stream_at_once(gateway: FakeGateway) -> None:
    gateway.hold_stream = asyncio.Event()
    caller = ask(gateway, BODY)
    await asyncio.wait_for(gateway.entered.wait(), 5)
    assert not gateway.left.is_set()
    caller.gone.set()
    await caller.ended()
    assert gateway.left.is_set()


async def test_a_caller_who_leaves_before_the_first_chunk_cancels_it(gateway: FakeGateway) -> None:
    gateway.hold = asyncio.Event()
    caller = ask(gateway, BODY)
    await asyncio.wait_for(gateway.entered.wait(), 5)
    caller.gone.set()
    await caller.ended()
    assert gateway.left.is_set()
    assert caller.sent == []


async def test_a_caller_who_does_not_read_is_given_up_after_its_deadline(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.protocols.streams.GRACE_S", 0.01)
    caller = ask(gateway, BODY, x_request_timeout_ms="1")
    caller.reads.clear()
    await caller.ended()
    assert gateway.left.is_set()


async def test_a_caller_who_leaves_cancels_a_long_answer(gateway: FakeGateway) -> None:
    for path, body in [("/v1/generate", {"prompt": "a"}), ("/v1/translate", {"text": "a"})]:
        gateway.hold, gateway.entered, gateway.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        caller = ask(gateway, body, path)
        await asyncio.wait_for(gateway.entered.wait(), 5)
        caller.gone.set()
        await caller.ended()
        assert gateway.left.is_set()
        assert caller.sent[0]["status"] == 499
