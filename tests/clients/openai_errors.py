"""Drive a gateway into every error that OpenAI's client knows: `openai_errors.py PART PORT`, expectations on stdin.

Runs in the environment of the official clients and imports nothing of ours; exits with 0 if all is as expected.
"""

from __future__ import annotations

import sys
from typing import Any

import openai
from openai_client import BASE_URL, EXPECTED, GREEDY, HELLO, client, raised


def requests() -> None:
    """What a caller can do wrong, by the field, the type and the code that the client tells."""
    missing = raised(openai.NotFoundError, lambda: client.completions.create(model="none", prompt="a"))
    assert (missing.code, missing.type, missing.param) == (
        "model_not_found",
        "invalid_request_error",
        "model",
    )
    assert missing.request_id == missing.response.headers["x-request-id"]
    chatting: Any = {"messages": HELLO, "model": "letters"}
    for param, asked in (
        ("model", {**chatting, "model": "words"}),
        ("tools", {**chatting, "tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("response_format", {**chatting, "response_format": {"type": "json_object"}}),
        ("messages", {**chatting, "messages": [{"role": "user", "content": "a" * 100}]}),
        ("messages", {**chatting, "messages": []}),
        ("messages[0].role", {**chatting, "messages": [{"role": "tool", "content": "a"}]}),
        ("temperature", {**chatting, "temperature": 3}),
        ("top_logprobs", {**chatting, "top_logprobs": 3}),
    ):
        error = raised(openai.BadRequestError, lambda asked=asked: client.chat.completions.create(**asked))  # type: ignore[misc]
        assert (error.param, error.type) == (param, "invalid_request_error"), (asked, error)
    for param, asked in (
        ("best_of", {"n": 2, "best_of": 1}),
        ("logprobs", {"logprobs": 6}),
        ("max_tokens", {"max_tokens": 0}),
        ("logit_bias", {"logit_bias": {"1": 101}}),
        ("what", {"extra_body": {"what": 1}}),
        ("prompt", {"prompt": [[99]]}),
        ("logit_bias", {"logit_bias": {"99": 1}}),
        ("n", {"prompt": ["a"] * 65, "n": 2}),
        ("suffix", {"suffix": "x"}),
    ):
        body: Any = {"model": "letters", "prompt": "a", **asked}
        error = raised(openai.BadRequestError, lambda body=body: client.completions.create(**body))  # type: ignore[misc]
        assert error.param == param, (asked, error)
    body = {"model": "letters", "prompt": "a" * EXPECTED["body_bytes"]}
    error = raised(openai.APIStatusError, lambda: client.completions.create(**body))
    assert (error.status_code, error.code) == (413, "request_too_large")
    strange = client.with_options(default_headers={"content-type": "text/plain"})
    error = raised(openai.BadRequestError, lambda: strange.completions.create(**GREEDY))
    assert error.param == "content-type"
    keyless = openai.OpenAI(base_url=BASE_URL, api_key="any key at all", max_retries=0)
    assert keyless.completions.create(**GREEDY).choices[0].text == EXPECTED["completion"]


def times() -> None:
    """What can only be answered later or not in time, also in the middle of a stream."""
    refused_for_now()
    soon = {"model": "endless", "prompt": "a", "max_tokens": 10**6}
    error = raised(
        openai.InternalServerError,
        lambda: client.completions.create(**soon, extra_headers={"x-request-timeout-ms": "200"}),
    )
    assert (error.status_code, error.code, error.type) == (504, "timeout", "server_error")
    patience = client.with_options(timeout=0.2)
    raised(openai.APITimeoutError, lambda: patience.completions.create(**soon))
    late = client.completions.create(
        model="endless",
        prompt="a",
        max_tokens=10**6,
        stream=True,
        extra_headers={"x-request-timeout-ms": "300"},
    )
    error = raised(openai.APIError, lambda: list(late))
    assert (error.code, error.type) == ("timeout", "server_error")


def refused_for_now() -> None:
    """Too many sequences at once, and a model that has no version that works: both say when to come back."""
    crowd = raised(
        openai.RateLimitError, lambda: client.completions.create(**GREEDY, n=EXPECTED["places"] + 1)
    )
    assert (crowd.code, crowd.response.headers["retry-after"]) == ("rate_limit_exceeded", "1")
    broken = raised(openai.InternalServerError, lambda: client.completions.create(model="broken", prompt="a"))
    assert (broken.status_code, broken.code) == (503, "service_unavailable")
    assert broken.response.headers["retry-after"] == "1"


def draining() -> None:
    """A server that goes down tells those in the middle of a stream, and then nobody is there any more."""
    stream = iter(client.completions.create(model="endless", prompt="a", max_tokens=10**6, stream=True))
    next(stream)
    sys.stdout.write("streaming\n")
    sys.stdout.flush()
    error = raised(openai.APIError, lambda: list(stream))
    assert (error.code, error.type) == ("service_unavailable", "server_error")
    raised(openai.APIConnectionError, lambda: client.completions.create(**GREEDY))


if __name__ == "__main__":
    parts = {each.__name__: each for each in (requests, times, draining)}
    parts[sys.argv[1]]()
    sys.stdout.write(f"{sys.argv[1]} works\n")
