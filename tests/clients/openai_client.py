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
SIZE = len(EXPECTED["vectors"][0])
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
    scores_of_prompts()
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


def scores_of_prompts() -> None:
    """A text is scored as it would have been told; with nothing to be made, as evaluations ask for it."""
    told = client.completions.create(**GREEDY, logprobs=2).choices[0].logprobs
    text = "ab" + EXPECTED["completion"]
    again: Any = {"model": "letters", "prompt": text, "max_tokens": 0, "echo": True, "logprobs": 2}
    scored = client.completions.create(**again)
    (choice,) = scored.choices
    assert (choice.text, choice.finish_reason) == (text, "length")
    assert (told, choice.logprobs) != (None, None)
    assert "".join(choice.logprobs.tokens) == text
    assert choice.logprobs.text_offset == list(range(len(text)))
    assert (choice.logprobs.token_logprobs[0], choice.logprobs.top_logprobs[0]) == (None, None)
    assert choice.logprobs.token_logprobs[2:] == told.token_logprobs
    assert choice.logprobs.top_logprobs[2:] == told.top_logprobs
    assert choice.logprobs.token_logprobs[1] < max(choice.logprobs.top_logprobs[1].values()) + 1e-9
    assert (scored.usage.prompt_tokens, scored.usage.completion_tokens) == (len(text), 0)
    longer = client.completions.create(**{**again, "max_tokens": 1, "temperature": 0}).choices[0].logprobs
    assert longer.token_logprobs[:-1] == choice.logprobs.token_logprobs
    streamed: list[Any] = list(client.completions.create(**again, stream=True))
    assert "".join(each.choices[0].text for each in streamed) == text
    pieces = [token for each in streamed for token in each.choices[0].logprobs.token_logprobs]
    assert pieces == choice.logprobs.token_logprobs
    assert client.completions.create(**{**again, "logprobs": None}).choices[0].text == text


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
        gone = asyncio.create_task(
            asynchronous.completions.create(model="endless", prompt="a", max_tokens=10**6, n=2)
        )
        await asyncio.wait((gone,), timeout=0.2)
        gone.cancel()  # its slots must be free in the end
        await asyncio.wait((gone,))
        assert gone.cancelled()


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
    again: Any = [*HELLO, choice.message, *HELLO]
    assert client.chat.completions.create(**{**CHAT, "messages": again}).choices[0].message.content
    asyncio.run(async_chat())
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


async def async_chat() -> None:
    """Whole, in a stream, and with the client's own helper for streams."""
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="none", max_retries=0) as asynchronous:
        whole = await asynchronous.chat.completions.create(**CHAT)
        assert whole.choices[0].message.content == EXPECTED["chat"]
        chunks = [each async for each in await asynchronous.chat.completions.create(**CHAT, stream=True)]
        assert "".join(each.choices[0].delta.content or "" for each in chunks) == EXPECTED["chat"]
        async with asynchronous.chat.completions.stream(**CHAT) as stream:
            deltas = [event.delta async for event in stream if event.type == "content.delta"]
        assert "".join(deltas) == EXPECTED["chat"]


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
    assert (error.status_code, error.code) == (404, "NOT_FOUND")
    asyncio.run(async_models_and_embeddings())


async def async_models_and_embeddings() -> None:
    """The same with the asynchronous client."""
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="none", max_retries=0) as asynchronous:
        assert "letters" in {each.id async for each in asynchronous.models.list()}
        assert (await asynchronous.models.retrieve("letters")).id == "letters"
        found = await asynchronous.embeddings.create(model="vectors", input=[1, 2, 3], dimensions=SIZE)
        assert found.data[0].embedding == EXPECTED["vectors"][0]


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
        ("dimensions", {"model": "vectors", "input": [1], "dimensions": SIZE + 1}),
    ):
        error = raised(openai.BadRequestError, lambda asked=asked: client.embeddings.create(**asked))  # type: ignore[misc]
        assert error.param == kind, (asked, error)


if __name__ == "__main__":
    parts = {each.__name__: each for each in (completions, chat, models, embeddings)}
    parts[sys.argv[1]]()
    sys.stdout.write(f"{sys.argv[1]} works\n")
