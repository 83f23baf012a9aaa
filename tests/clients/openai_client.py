"""Drive a gateway with the official OpenAI client: `openai_client.py PART PORT`, expectations on stdin.

Runs in the environment of the official clients and imports nothing of ours; exits with 0 if all is as expected.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import openai

EXPECTED: dict[str, Any] = json.load(sys.stdin)
BASE_URL = f"http://127.0.0.1:{sys.argv[2]}/v1"
GREEDY = {"model": "letters", "prompt": "ab", "max_tokens": 20, "temperature": 0}
HELLO: Any = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": "letters", "messages": HELLO, "max_tokens": 12, "temperature": 0}

client = openai.OpenAI(base_url=BASE_URL, api_key="none", max_retries=0, timeout=20)


def raised(kind: type[openai.APIError], work: Callable[[], object]) -> Any:
    """Return the error that `work` raises, which must be of `kind`."""
    caught: Exception | None = None
    try:
        work()
    except openai.APIError as error:
        caught = error
    assert type(caught) is kind, (kind, caught)
    return caught


def completions() -> None:
    """Every form of prompt, several choices, echo, log-probabilities, streams, sync and async."""
    whole = client.completions.create(**GREEDY)
    (choice,) = whole.choices
    assert (whole.object, whole.model, choice.text) == ("text_completion", "letters", EXPECTED["completion"])
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (2, 20, 22)
    prompts_of_completions()
    log_probabilities()
    sampling_of_completions()
    streams_of_completions()
    asyncio.run(async_completions())


def prompts_of_completions() -> None:
    """Texts, ids, and lists of them; with echo."""
    several = client.completions.create(**{**GREEDY, "prompt": ["ab", "b"]})
    assert [each.text for each in several.choices] == [EXPECTED["completion"], EXPECTED["other"]]
    ids = [EXPECTED["characters"].index(character) for character in "ab"]
    by_ids = client.completions.create(**{**GREEDY, "prompt": [ids, ids[1:]]})
    assert [each.text for each in by_ids.choices] == [each.text for each in several.choices]
    assert client.completions.create(**{**GREEDY, "prompt": ids}).choices == by_ids.choices[:1]
    for prompt in ("ab", ids):
        echoed = client.completions.create(**{**GREEDY, "prompt": prompt, "echo": True})
        assert echoed.choices[0].text == "ab" + EXPECTED["completion"]


def log_probabilities() -> None:
    """The chosen token is the most probable one when greedy, and probabilities add up to at most 1."""
    answer = client.completions.create(**GREEDY, logprobs=3)
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.tokens is not None
    assert told.token_logprobs is not None
    assert told.top_logprobs is not None
    assert "".join(told.tokens) == EXPECTED["completion"]
    assert told.text_offset == list(range(20))
    for token, logprob, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert next(iter(top)) == token
        assert top[token] == logprob == max(top.values())
        assert len(top) == 3
        assert sum(map(math.exp, top.values())) <= 1 + 1e-6


def sampling_of_completions() -> None:
    """Seeds, several choices, the best of them, penalties, bias, stop."""
    hot = {**GREEDY, "temperature": 2.0, "seed": 7}
    three = client.completions.create(**hot, n=3)
    alone = [client.completions.create(**{**hot, "seed": 7 + index}) for index in range(3)]
    assert [each.text for each in three.choices] == [each.choices[0].text for each in alone]
    assert [each.index for each in three.choices] == [0, 1, 2]
    assert three.usage is not None
    assert (three.usage.prompt_tokens, three.usage.completion_tokens) == (2, 60)
    best = client.completions.create(**hot, n=1, best_of=3, logprobs=0)
    assert best.choices[0].text in {each.text for each in three.choices}
    assert best.usage is not None
    assert best.usage.completion_tokens == 60
    letter = str(EXPECTED["characters"].index("z"))
    forced = client.completions.create(**GREEDY, logit_bias={letter: 100})
    assert forced.choices[0].text == "z" * 20
    repelled = client.completions.create(
        **{**GREEDY, "max_tokens": 8}, logit_bias={letter: 100}, frequency_penalty=2
    )
    assert repelled.choices[0].text.startswith("z")
    assert repelled.choices[0].text != "z" * 8
    stop = EXPECTED["completion"][5:8]
    stopped = client.completions.create(**GREEDY, stop=stop)
    expected = EXPECTED["completion"][: EXPECTED["completion"].index(stop)]
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == (expected, "stop")
    assert client.completions.create(**GREEDY, top_p=0.5, user="someone").choices[0].text


def streams_of_completions() -> None:
    """The same text in pieces; usage in the end; two choices at once; leaving in the middle."""
    chunks = list(client.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    assert "".join(each.choices[0].text for each in chunks[:-1]) == EXPECTED["completion"]
    assert [each.usage for each in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-2].choices[0].finish_reason == "length"
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 22)  # type: ignore[union-attr]
    assert len({each.id for each in chunks}) == 1
    texts = ["", ""]
    for each in client.completions.create(**{**GREEDY, "prompt": ["ab", "b"]}, stream=True):
        texts[each.choices[0].index] += each.choices[0].text
    assert texts == [EXPECTED["completion"], EXPECTED["other"]]
    with client.completions.create(
        model="endless", prompt="a", max_tokens=10**6, n=2, stream=True
    ) as endless:
        assert next(iter(endless)).choices[0].finish_reason is None


async def async_completions() -> None:
    """Many at once with the asynchronous client."""
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="none", max_retries=0) as asynchronous:
        answers = await asyncio.gather(*(asynchronous.completions.create(**GREEDY) for _ in range(8)))
        assert {each.choices[0].text for each in answers} == {EXPECTED["completion"]}
        text = ""
        async for chunk in await asynchronous.completions.create(**GREEDY, stream=True):
            text += chunk.choices[0].text
        assert text == EXPECTED["completion"]
        (late,) = await asyncio.gather(
            asynchronous.completions.create(
                model="endless", prompt="a", max_tokens=10**6, extra_headers={"x-request-timeout-ms": "300"}
            ),
            return_exceptions=True,
        )
        assert isinstance(late, openai.InternalServerError)
        assert (late.status_code, late.code) == (504, "timeout")


def chat() -> None:
    """Conversations: whole, streamed, several choices, log-probabilities, stops, parts of content."""
    whole = client.chat.completions.create(**CHAT, user="someone", metadata={"a": "b"}, store=False, tools=[])
    (choice,) = whole.choices
    assert (whole.object, choice.message.role, choice.message.content) == (
        "chat.completion", "assistant", EXPECTED["chat"],
    )  # fmt: skip
    assert (choice.finish_reason, choice.message.refusal, choice.logprobs) == ("length", None, None)
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == len("user:\nhello\nassistant:\n")
    parts: Any = [
        {"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}
    ]
    assert client.chat.completions.create(**{**CHAT, "messages": parts}).choices == whole.choices
    bounded = client.chat.completions.create(**{**CHAT, "max_tokens": None}, max_completion_tokens=3)
    assert bounded.choices[0].message.content == EXPECTED["chat"][:3]
    streamed_chat()
    answer = client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=2)
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert "".join(each.token for each in told.content) == EXPECTED["chat"]
    for each in told.content:
        assert each.bytes == list(each.token.encode())
        assert [each.top_logprobs[0].token, each.top_logprobs[0].logprob] == [each.token, each.logprob]
        assert len(each.top_logprobs) == 2
    two = client.chat.completions.create(**{**CHAT, "temperature": 2, "seed": 3}, n=2)
    assert two.choices[0].message.content != two.choices[1].message.content


def streamed_chat() -> None:
    """The role first, then content, then the reason, then the counts; and the raw response has its headers."""
    raw = client.chat.completions.with_raw_response.create(
        **CHAT, stream=True, stream_options={"include_usage": True}, extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["content-type"].startswith("text/event-stream")
    chunks = list(raw.parse())
    deltas = [each.choices[0].delta for each in chunks[:-1]]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert all(each.role is None for each in deltas[1:])
    assert "".join(each.content or "" for each in deltas) == EXPECTED["chat"]
    assert [each.choices[0].finish_reason for each in chunks[:-1]] == [None] * (len(chunks) - 2) + ["length"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 12
    assert {each.object for each in chunks} == {"chat.completion.chunk"}


def models() -> None:
    """The list and one model, with everything that the client's types have."""
    listed = {each.id: each for each in client.models.list()}
    assert listed.keys() == {"letters", "endless", "words", "vectors", "phrases"}
    one = client.models.retrieve("letters")
    assert (one.id, one.object, one.owned_by) == ("letters", "model", "sluice")
    assert one.created == listed["letters"].created == 1767225600
    error = raised(openai.NotFoundError, lambda: client.models.retrieve("none"))
    assert error.status_code == 404


def embeddings() -> None:
    """Ids and texts; base64, which the client asks for by itself, and numbers."""
    by_ids = client.embeddings.create(model="vectors", input=[[1, 2, 3], [7]])
    assert [each.embedding for each in by_ids.data] == EXPECTED["vectors"]
    assert [each.index for each in by_ids.data] == [0, 1]
    assert (by_ids.usage.prompt_tokens, by_ids.usage.total_tokens) == (4, 4)
    one = client.embeddings.create(model="vectors", input=[1, 2, 3], encoding_format="float")
    assert one.data[0].embedding == EXPECTED["vectors"][0]
    by_text = client.embeddings.create(model="phrases", input=["unknown", "hello", "goodbye"])
    assert [each.embedding for each in by_text.data] == EXPECTED["phrases"]
    assert (
        client.embeddings.create(model="phrases", input="hello").data[0].embedding == EXPECTED["phrases"][1]
    )
    for kind, asked in (
        ("model", {"model": "letters", "input": "a"}),
        ("input", {"model": "vectors", "input": "a"}),
        ("input", {"model": "vectors", "input": [9999]}),
        ("input", {"model": "phrases", "input": []}),
        ("dimensions", {"model": "phrases", "input": "a", "dimensions": 2}),
    ):
        error = raised(openai.BadRequestError, lambda asked=asked: client.embeddings.create(**asked))  # type: ignore[misc]
        assert error.param == kind, (asked, error)


def errors() -> None:
    """Every class of error that a caller can make, and one in the middle of a stream."""
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
        ("logprobs", {"echo": True, "logprobs": 1}),
        ("prompt", {"prompt": [[99]]}),
        ("logit_bias", {"logit_bias": {"99": 1}}),
        ("n", {"prompt": ["a"] * 65, "n": 2}),
        ("suffix", {"suffix": "x"}),
    ):
        body: Any = {"model": "letters", "prompt": "a", **asked}
        error = raised(openai.BadRequestError, lambda body=body: client.completions.create(**body))  # type: ignore[misc]
        assert error.param == param, (asked, error)
    refused_for_now()
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


if __name__ == "__main__":
    parts = {each.__name__: each for each in (completions, chat, models, embeddings, errors)}
    parts[sys.argv[1]]()
    sys.stdout.write(f"{sys.argv[1]} works\n")
