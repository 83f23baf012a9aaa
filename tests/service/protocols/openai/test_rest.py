"""The routes over a fake gateway: documents, streams, errors, and callers who leave."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from service.domain import TokenLogprob
from service.errors import (
    Code,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from service.protocols.edge import Edge
from service.protocols.limits import WireLimits
from service.protocols.openai.chat import _token as chat_token
from service.protocols.openai.completions import _top as top_of
from service.protocols.openai.errors import KINDS, STATUS, error_answer
from service.protocols.servers import create_http_app
from tests.support.gateway import FakeGateway

ASK: dict[str, Any] = {"model": "fake", "prompt": "p"}
TALK: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "hi"}]}
BODIES = {"/v1/completions": ASK, "/v1/chat/completions": TALK}
PATHS = [*BODIES, "/v1/embeddings"]
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def events(text: str) -> list[Any]:
    lines = text.split("\n\n")
    assert lines.pop() == ""
    return [json.loads(line[6:]) if line[6:] != "[DONE]" else "[DONE]" for line in lines]


async def test_a_completion_is_one_document(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    response = await http.post("/v1/completions", json=ASK, headers={"x-request-id": "r-1"})
    document = response.json()
    assert document.pop("created") > 1_700_000_000
    assert document == {
        "id": "cmpl-r-1",
        "object": "text_completion",
        "model": "fake",
        "system_fingerprint": "fake-3",
        "choices": [{"text": "one two three", "index": 0, "logprobs": None, "finish_reason": "length"}],
        "usage": USAGE,
    }
    assert response.headers["x-request-id"] == "r-1"
    assert gateway.asked[0][2].protocol == "openai"


async def test_a_chat_is_one_document(http: httpx.AsyncClient) -> None:
    document = (await http.post("/v1/chat/completions", json={**TALK, "n": 2})).json()
    assert document["object"] == "chat.completion"
    assert document["choices"] == [
        {
            "index": index,
            "message": {"role": "assistant", "content": "one two three", "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
        for index in range(2)
    ]
    assert document["usage"] == {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8}


async def test_a_streamed_completion_ends_with_its_usage(http: httpx.AsyncClient) -> None:
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    response = await http.post("/v1/completions", json=body)
    *chunks, last, done = events(response.text)
    assert done == "[DONE]"
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["one ", "two ", "three"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "length"]
    assert [chunk["usage"] for chunk in chunks] == [None] * 3
    assert (last["choices"], last["usage"]) == ([], USAGE)
    assert response.headers["x-request-id"]


async def test_without_being_asked_for_usage_is_not_in_a_stream(http: httpx.AsyncClient) -> None:
    *chunks, _ = events((await http.post("/v1/completions", json={**ASK, "stream": True})).text)
    assert not any("usage" in chunk for chunk in chunks)


async def test_a_streamed_chat_begins_with_the_role_and_ends_with_the_reason(http: httpx.AsyncClient) -> None:
    *chunks, done = events((await http.post("/v1/chat/completions", json={**TALK, "stream": True})).text)
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "one "},
        {"content": "two "},
        {"content": "three"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 4 + ["length"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


async def test_every_streamed_choice_has_its_own_role(http: httpx.AsyncClient) -> None:
    body = {**TALK, "stream": True, "n": 3}
    *chunks, _ = events((await http.post("/v1/chat/completions", json=body)).text)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert sorted(each["index"] for each in choices if "role" in each["delta"]) == [0, 1, 2]
    assert sorted(each["index"] for each in choices if each["finish_reason"]) == [0, 1, 2]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Invalid("x", field="f"), 400, ("invalid_request_error", None)),
        (Unsupported("x", field="model"), 400, ("invalid_request_error", "unsupported")),
        (Unauthenticated("x"), 401, ("authentication_error", "invalid_api_key")),
        (Forbidden("x"), 403, ("permission_error", "permission_denied")),
        (NotFound("x", field="model"), 404, ("invalid_request_error", "model_not_found")),
        (Overloaded("x", retry_after_s=1.5), 429, ("rate_limit_error", "rate_limit_exceeded")),
        (Internal("x"), 500, ("server_error", "internal_error")),
        (Unavailable("x", retry_after_s=1), 503, ("server_error", "service_unavailable")),
        (TimedOut("x"), 504, ("server_error", "timeout")),
    ],
)
async def test_every_error_has_openais_body_and_status(  # noqa: PLR0913, PLR0917  # pytest gives them by name
    http: httpx.AsyncClient,
    gateway: FakeGateway,
    path: str,
    stream: bool,
    error: ServiceError,
    status: int,
    kind: tuple[str, str | None],
) -> None:
    gateway.fail = error
    response = await http.post(path, json={**BODIES[path], "stream": stream, "n": 2})
    expected = {"message": "x", "type": kind[0], "param": error.field, "code": kind[1]}
    assert (response.status_code, response.json()) == (status, {"error": expected})
    assert response.headers["x-request-id"]
    assert response.headers.get("retry-after") == ({429: "2", 503: "1"}.get(status))


def test_every_class_of_failure_has_a_status_and_a_kind() -> None:
    assert set(STATUS) == set(KINDS) == set(Code)


async def test_an_error_about_the_prompt_of_a_chat_names_the_messages(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.fail = Invalid("too long", field="prompt")
    assert (await http.post("/v1/chat/completions", json=TALK)).json()["error"]["param"] == "messages"


@pytest.mark.parametrize("path", BODIES)
async def test_an_error_in_the_middle_is_the_last_event(
    http: httpx.AsyncClient, gateway: FakeGateway, path: str
) -> None:
    gateway.fail_after = Unavailable("gone")
    response = await http.post(path, json={**BODIES[path], "stream": True})
    assert response.status_code == 200
    *_, last = events(response.text)
    assert last["error"] == {
        "message": "gone",
        "type": "server_error",
        "param": None,
        "code": "service_unavailable",
    }


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_no_request_is_refused_in_openais_words(http: httpx.AsyncClient, path: str) -> None:
    wrong = await http.post(path, content=b"{", headers={"content-type": "application/json"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (400, "invalid_request_error")
    form = await http.post(
        path, content=b"a=1", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (form.status_code, form.json()["error"]["param"]) == (400, "content-type")
    large = await http.post(path, content=b" " * 5000, headers={"content-type": "application/json"})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
    late = await http.post(path, json={}, headers={"x-request-timeout-ms": "x"})
    assert (late.status_code, late.json()["error"]["param"]) == (400, "x-request-timeout-ms")
    got = await http.get(path)
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert got.json()["error"]["type"] == "invalid_request_error"
    for response in (wrong, form, large, late, got):
        assert response.headers["x-request-id"]


async def test_a_bug_is_an_internal_error_without_details(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.fail = ZeroDivisionError("secret")
    response = await http.post("/v1/completions", json=ASK)
    assert response.status_code == 500
    assert response.json()["error"] == {
        "message": "internal error",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_leaves_ends_every_sequence(gateway: FakeGateway, path: str, stream: bool) -> None:
    gateway.hold_stream = asyncio.Event()
    app = create_http_app(gateway, WireLimits())
    assert isinstance(app, Edge)
    body = json.dumps({**BODIES[path], "stream": stream, "n": 2}).encode()
    gone = asyncio.Event()
    inbox: list[dict[str, Any]] = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if inbox:
            return inbox.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"content-type", b"application/json")],
    }
    serving = asyncio.ensure_future(app(scope, receive, send))
    await asyncio.wait_for(gateway.entered.wait(), 5)
    assert not gateway.left.is_set()
    gone.set()
    await asyncio.wait_for(serving, 5)
    assert gateway.left.is_set()


async def test_the_model_list_is_not_this_wires(http: httpx.AsyncClient) -> None:
    (model,) = (await http.get("/v1/models")).json()["data"]
    assert {"id", "object", "created", "owned_by"} <= model.keys()


def test_log_probabilities_that_json_cannot_say_are_told_as_the_least() -> None:
    token = TokenLogprob("a", 0, -0.5, (("b", -0.1), ("c", -float("inf"))))
    assert top_of(token) == {"b": -0.1, "c": -9999.0, "a": -0.5}
    assert top_of(TokenLogprob("first", 0, None)) is None


def test_half_a_character_has_no_bytes() -> None:
    assert chat_token("ü", -1.0)["bytes"] == [0xC3, 0xBC]
    assert chat_token("\ufffd", -1.0)["bytes"] is None


def test_an_error_answer_has_its_length() -> None:
    status, headers, body = error_answer(Internal("x"), "id")
    assert (status, dict(headers)[b"content-length"]) == (500, str(len(body)).encode())
