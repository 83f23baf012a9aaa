"""Prompts and their continuations."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import bundle
from service.bundle import BundleError
from service.domain import Caller, GenerateRequest, ModelId, Sampling, TextChunk
from service.errors import Internal, Invalid, TimedOut, Unavailable
from service.tasks import build_task
from service.tasks.generate import Generate
from tests.support import bundles
from tests.support.bundles import ALPHABET, generated, next_character
from tests.support.fakes import FakeGenerator, turn_the_loop, unavailable

NEVER_S = 1e9


def letters(tmp_path: Path, generator: FakeGenerator | None = None, **options: Any) -> Generate:
    directory = bundles.write_generator(tmp_path, **options)
    task = build_task(bundle.read(directory), {}, generator or greedy(), directory)
    assert isinstance(task, Generate)
    return task


def greedy(**options: Any) -> FakeGenerator:
    return FakeGenerator(next_token=next_character, **options)


def saying(text: str, **options: Any) -> FakeGenerator:
    """A generator that continues every one-character prompt with `text`."""
    return FakeGenerator(
        next_token=lambda history: ALPHABET.index(text[len(history) - 1]), queue_s=0.25, **options
    )


async def chunks_of(task: Generate, request: GenerateRequest) -> list[TextChunk]:
    return [chunk async for chunk in task.stream(request, NEVER_S)]


async def test_a_prompt_is_continued_up_to_the_limit(tmp_path: Path) -> None:
    answer = await letters(tmp_path).run(GenerateRequest("hello", max_tokens=12), NEVER_S)
    assert (answer.model, answer.text) == (ModelId("letters", 1), generated("hello", 12))
    assert (answer.finish_reason, answer.prompt_tokens, answer.completion_tokens) == ("length", 5, 12)


@pytest.mark.parametrize(("prompt", "made"), [("hello", 3), ("abcdefg", 1), ("abcdefgh", 1)])
async def test_prompt_and_continuation_together_are_no_longer_than_the_model_knows_positions_for(
    tmp_path: Path, prompt: str, made: int
) -> None:
    directory = bundles.write_generator(tmp_path)
    manifest = bundle.read(directory)
    limited = manifest.task.model_copy(update={"max_total_tokens": 8})
    task = build_task(manifest.model_copy(update={"task": limited}), {}, greedy(), directory)
    answer = await task.run(GenerateRequest(prompt, max_tokens=12), NEVER_S)
    assert (answer.completion_tokens, answer.finish_reason) == (made, "length")


@pytest.mark.parametrize("end", [".", "b"])
async def test_any_of_several_end_tokens_is_no_part_of_the_text(tmp_path: Path, end: str) -> None:
    directory = bundles.write_generator(tmp_path)
    manifest = bundle.read(directory)
    ends = {"end_id": ALPHABET.index("."), "other_end_ids": (ALPHABET.index("b"),)}
    generator = saying(f"a{end}", end_id=ALPHABET.index(end))
    task = build_task(
        manifest.model_copy(update={"task": manifest.task.model_copy(update=ends)}), {}, generator, directory
    )
    answer = await task.run(GenerateRequest("x", max_tokens=5), NEVER_S)
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == ("a", "stop", 2)


async def test_the_stream_tells_each_character_and_in_the_last_chunk_how_it_ended(tmp_path: Path) -> None:
    chunks = await chunks_of(letters(tmp_path, saying("abc")), GenerateRequest("x", max_tokens=3))
    assert [(chunk.text, chunk.tokens, chunk.finish_reason) for chunk in chunks] == [
        ("a", 1, None),
        ("b", 1, None),
        ("c", 1, "length"),
    ]
    assert (chunks[-1].prompt_tokens, chunks[-1].completion_tokens) == (1, 3)
    assert chunks[-1].timing.queue_s == 0.25
    assert all(chunk.model == ModelId("letters", 1) for chunk in chunks)


async def test_the_end_token_ends_the_text_and_is_no_part_of_it(tmp_path: Path) -> None:
    end_id = ALPHABET.index(".")
    task = letters(tmp_path, saying("ab.zz", end_id=end_id), end_id=end_id)
    answer = await task.run(GenerateRequest("x", max_tokens=5), NEVER_S)
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == ("ab", "stop", 3)


async def test_a_stop_string_ends_the_text_before_it_and_frees_the_slot_at_once(tmp_path: Path) -> None:
    generator = saying("one two three")
    task = letters(tmp_path, generator)
    chunks = await chunks_of(task, GenerateRequest("x", max_tokens=13, stop=("hree", "wo ")))
    assert "".join(chunk.text for chunk in chunks) == "one t"
    assert (chunks[-1].finish_reason, chunks[-1].completion_tokens) == ("stop", 8)
    assert sum(chunk.tokens for chunk in chunks) == 8
    assert (generator.asked[0].told, generator.asked[0].closed) == (8, True)


async def test_what_only_began_like_a_stop_string_is_told_in_the_end(tmp_path: Path) -> None:
    answer = await letters(tmp_path, saying("one tw")).run(
        GenerateRequest("x", max_tokens=6, stop=("two",)), NEVER_S
    )
    assert (answer.text, answer.finish_reason) == ("one tw", "length")


async def test_what_may_be_half_a_character_is_told_in_the_end(tmp_path: Path) -> None:
    task = letters(tmp_path, FakeGenerator(next_token=lambda _: 0), alphabet="\ufffdx")
    answer = await task.run(GenerateRequest("x", max_tokens=3), NEVER_S)
    assert answer.text == "\ufffd" * 3


async def test_closing_the_stream_closes_the_token_generator(tmp_path: Path) -> None:
    generator = greedy()
    async with aclosing(letters(tmp_path, generator).stream(GenerateRequest("hello"), NEVER_S)) as chunks:
        await anext(chunks)
        assert not generator.asked[0].closed
    assert generator.asked[0].closed


async def test_a_caller_who_is_cancelled_closes_the_token_generator(tmp_path: Path) -> None:
    generator = greedy(gate=asyncio.Event())
    waiting = asyncio.create_task(letters(tmp_path, generator).run(GenerateRequest("hello"), NEVER_S))
    await turn_the_loop()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert generator.asked[0].closed


async def test_an_error_in_the_middle_comes_through_after_what_was_told(tmp_path: Path) -> None:
    task = letters(tmp_path, greedy(fail=unavailable(), fail_after=2))
    seen: list[str] = []

    async def read() -> None:
        async for chunk in task.stream(GenerateRequest("hello"), NEVER_S):
            seen.append(chunk.text)  # noqa: PERF401  # what was seen before the error is the point

    with pytest.raises(Unavailable):
        await read()
    assert "".join(seen) == generated("hello", 2)
    with pytest.raises(Internal):
        await letters(tmp_path, greedy(fail=Internal("x")), version=2).run(GenerateRequest("hello"), NEVER_S)


async def test_a_passed_deadline_is_told(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        await letters(tmp_path).run(GenerateRequest("hello"), 0.0)


async def test_sampling_and_limits_are_passed_on(tmp_path: Path) -> None:
    generator = greedy()
    sampling = Sampling(temperature=0.5, top_k=3, top_p=0.9, seed=2**64 - 1)
    await letters(tmp_path, generator, max_new_tokens=7).run(
        GenerateRequest("hello", max_tokens=128, sampling=sampling), NEVER_S
    )
    asked = generator.asked[0]
    assert (asked.sampling, asked.max_new_tokens, asked.deadline_at_s) == (sampling, 7, NEVER_S)
    assert asked.prompt.tokens == tuple(ALPHABET.index(character) for character in "hello")


async def test_the_caller_and_its_priority_are_passed_on(tmp_path: Path) -> None:
    generator = greedy()
    await letters(tmp_path, generator).run(GenerateRequest("a", max_tokens=1, priority=3), NEVER_S, "team")
    assert generator.asked[0].caller == Caller("team", 3)


async def test_a_temperature_next_to_nothing_is_greedy(tmp_path: Path) -> None:
    generator = greedy()
    await letters(tmp_path, generator).run(
        GenerateRequest("a", sampling=Sampling(temperature=1e-300)), NEVER_S
    )
    assert generator.asked[0].sampling == Sampling(temperature=0.0)


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (GenerateRequest(""), "prompt", "cannot start from nothing"),
        (GenerateRequest("aX"), "prompt", "character 'X' at position 1"),
        (GenerateRequest("a" * 65), "prompt", "has 65 characters, this model takes 64 tokens"),
        (GenerateRequest("a", max_tokens=0), "max_tokens", "expected 1 or more, got 0"),
        (GenerateRequest("a", sampling=Sampling(temperature=-0.1)), "temperature", "expected 0 to 100"),
        (GenerateRequest("a", sampling=Sampling(temperature=float("nan"))), "temperature", "got nan"),
        (GenerateRequest("a", sampling=Sampling(temperature=float("inf"))), "temperature", "got inf"),
        (GenerateRequest("a", sampling=Sampling(top_k=-1)), "top_k", r"expected 0 \(all\) to 2147483647"),
        (GenerateRequest("a", sampling=Sampling(top_k=2**63)), "top_k", "got 9223372036854775808"),
        (GenerateRequest("a", sampling=Sampling(top_p=0.0)), "top_p", "more than 0 and at most 1, got 0"),
        (GenerateRequest("a", sampling=Sampling(top_p=1.5)), "top_p", "got 1.5"),
        (GenerateRequest("a", sampling=Sampling(seed=2**64)), "seed", "expected 0 to"),
        (GenerateRequest("a", sampling=Sampling(seed=-1)), "seed", "got -1"),
        (
            GenerateRequest("a", sampling=Sampling(presence_penalty=2.5)),
            "presence_penalty",
            "-2 to 2, got 2.5",
        ),
        (GenerateRequest("a", sampling=Sampling(frequency_penalty=float("nan"))), "frequency_penalty", "nan"),
        (GenerateRequest("a", sampling=Sampling(logit_bias=((29, 1.0),))), "logit_bias", "0 to 28, got 29"),
        (GenerateRequest("a", sampling=Sampling(logit_bias=((-1, 1.0),))), "logit_bias", "got -1"),
        (GenerateRequest("a", sampling=Sampling(logit_bias=((1, 101.0),))), "logit_bias", "got 101"),
        (
            GenerateRequest("a", sampling=Sampling(logit_bias=((1, 1.0),) * 1025)),
            "logit_bias",
            "at most 1024",
        ),
        (GenerateRequest("a", sampling=Sampling(min_p=1.1)), "min_p", "expected 0 to 1, got 1.1"),
        (
            GenerateRequest("a", sampling=Sampling(repetition_penalty=0.0)),
            "repetition_penalty",
            "more than 0 and at most 10, got 0",
        ),
        (GenerateRequest("a", priority=101), "priority", r"-100 \(first\) to 100 \(last\), got 101"),
        (GenerateRequest("a", sampling=Sampling(logprobs=21)), "logprobs", "expected 0 to 20, got 21"),
        (GenerateRequest("a", sampling=Sampling(logprobs=-1)), "logprobs", "got -1"),
        (GenerateRequest(()), "prompt", "cannot start from nothing"),
        (GenerateRequest((1, 29)), "prompt", "token ids of 0 to 28, got 29"),
        (GenerateRequest((-1,)), "prompt", "got -1"),
        (GenerateRequest((1,) * 65), "prompt", "has 65 tokens, this model takes at most 64"),
        (GenerateRequest("a", stop=("a",) * 17), "stop", "at most 16 stop strings, got 17"),
        (GenerateRequest("a", stop=("a", "")), "stop[1]", "expected 1 to 256 characters, got 0"),
        (GenerateRequest("a", stop=("a" * 257,)), "stop[0]", "got 257"),
    ],
)
async def test_a_wrong_request_names_its_field_before_anything_runs(
    tmp_path: Path, request_: GenerateRequest, field: str, message: str
) -> None:
    generator = greedy()
    task = letters(tmp_path, generator)
    with pytest.raises(Invalid, match=message) as caught:
        await task.run(request_, NEVER_S)
    assert caught.value.field == field
    with pytest.raises(Invalid):
        await chunks_of(task, request_)
    assert generator.asked == []


async def test_an_empty_prompt_starts_with_the_start_token_where_there_is_one(tmp_path: Path) -> None:
    generator = greedy()
    task = letters(tmp_path, generator, start_id=3)
    answer = await task.run(GenerateRequest("", max_tokens=4), NEVER_S)
    assert (generator.asked[0].prompt.tokens, answer.prompt_tokens) == ((3,), 1)
    assert answer.text == generated(ALPHABET[3], 4)


async def test_unknown_characters_are_read_as_the_unknown_one_where_there_is_one(tmp_path: Path) -> None:
    generator = greedy()
    await letters(tmp_path, generator, unknown_id=5).run(GenerateRequest("aX"), NEVER_S)
    assert generator.asked[0].prompt.tokens == (ALPHABET.index("a"), 5)


@pytest.mark.parametrize(
    ("options", "message"), [({"start_id": 29}, "start_id 29"), ({"end_id": -1}, "end_id -1")]
)
def test_special_tokens_beyond_the_vocabulary_are_noticed_when_the_version_is_loaded(
    tmp_path: Path, options: dict[str, int], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        letters(tmp_path, **options)


def test_a_version_without_a_generator_is_not_built(tmp_path: Path) -> None:
    directory = bundles.write_generator(tmp_path)
    with pytest.raises(BundleError, match="nothing drives the step graph"):
        build_task(bundle.read(directory), {}, None, directory)


@settings(max_examples=50)
@given(
    text=st.text("ab ", min_size=1, max_size=30),
    stops=st.lists(st.text("ab ", min_size=1, max_size=3), max_size=3),
)
def test_streamed_and_whole_answers_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, text: str, stops: list[str]
) -> None:
    task = letters(tmp_path_factory.mktemp("models"), saying(text))
    request = GenerateRequest("x", max_tokens=len(text), stop=tuple(stops))

    async def both() -> None:
        chunks = await chunks_of(task, request)
        answer = await task.run(request, NEVER_S)
        assert "".join(chunk.text for chunk in chunks) == answer.text
        assert sum(chunk.tokens for chunk in chunks) == answer.completion_tokens
        assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert all(chunk.text for chunk in chunks[:-1])
        assert chunks[-1].finish_reason == answer.finish_reason
        assert text.startswith(answer.text)
        assert not any(stop in answer.text for stop in stops)
        found = any(stop in text for stop in stops)
        assert answer.finish_reason == ("stop" if found else "length")
        assert found or answer.text == text

    asyncio.run(both())


async def test_tokens_that_make_no_text_yet_are_counted_with_the_next_chunk(tmp_path: Path) -> None:
    chunks = await chunks_of(
        letters(tmp_path, saying("tabc")), GenerateRequest("x", max_tokens=4, stop=("tax",))
    )
    assert [(chunk.text, chunk.tokens) for chunk in chunks] == [("tab", 3), ("c", 1)]


async def test_a_prompt_of_token_ids_is_continued_like_its_text(tmp_path: Path) -> None:
    task = letters(tmp_path)
    ids = tuple(ALPHABET.index(character) for character in "hello")
    by_ids = await task.run(GenerateRequest(ids, max_tokens=9), NEVER_S)
    assert (by_ids.text, by_ids.prompt_tokens) == (generated("hello", 9), 5)


@pytest.mark.parametrize("prompt", ["x", (ALPHABET.index("x"),)])
async def test_with_echo_the_answer_begins_with_the_prompt_in_which_no_stop_string_counts(
    tmp_path: Path, prompt: str | tuple[int, ...]
) -> None:
    task = letters(tmp_path, saying("axb"))
    request = GenerateRequest(prompt, max_tokens=3, stop=("x",), echo=True)
    assert [chunk.text for chunk in await chunks_of(task, request)] == ["xa", ""]


async def test_log_probabilities_tell_every_token_of_the_text_and_where_it_begins(tmp_path: Path) -> None:
    task = letters(tmp_path, saying("abc"))
    request = GenerateRequest("x", max_tokens=3, sampling=Sampling(logprobs=0))
    told = [token for chunk in await chunks_of(task, request) for token in chunk.logprobs]
    assert [(token.text, token.offset, token.logprob) for token in told] == [
        ("a", 0, -0.5),
        ("b", 1, -0.5),
        ("c", 2, -0.5),
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_with_echo_the_tokens_of_the_prompt_are_scored_and_not_counted(
    tmp_path: Path, count: int
) -> None:
    task = letters(tmp_path)
    request = GenerateRequest("hey", count, Sampling(logprobs=0), stop=("he",), echo=True)
    chunks = await chunks_of(task, request)
    text = "hey" + generated("hey", count)
    assert "".join(chunk.text for chunk in chunks) == text
    told = [token for chunk in chunks for token in chunk.logprobs]
    assert "".join(token.text for token in told) == text
    assert [token.offset for token in told] == list(range(3 + count))
    assert [token.logprob for token in told] == [None] + [-0.5] * (2 + count)
    last = chunks[-1]
    assert (last.finish_reason, last.prompt_tokens, last.completion_tokens) == ("length", 3, count)
    assert sum(chunk.tokens for chunk in chunks) == count
    assert last.logprob == count * -0.5


@pytest.mark.parametrize(("prompt", "sampling"), [("hey", Sampling()), ("h", Sampling(logprobs=1))])
async def test_nothing_is_run_for_an_echo_of_which_nothing_is_to_be_scored(
    tmp_path: Path, prompt: str, sampling: Sampling
) -> None:
    generator = greedy()
    (chunk,) = await chunks_of(letters(tmp_path, generator), GenerateRequest(prompt, 0, sampling, echo=True))
    assert (chunk.text, chunk.finish_reason, chunk.prompt_tokens) == (prompt, "length", len(prompt))
    assert [token.text for token in chunk.logprobs] == ([] if sampling.logprobs is None else ["h"])
    assert generator.asked == []


async def test_log_probabilities_come_with_the_text_of_their_tokens_and_without_the_stop_string(
    tmp_path: Path,
) -> None:
    task = letters(tmp_path, saying("tabtax"))
    request = GenerateRequest("x", max_tokens=6, stop=("tax",), sampling=Sampling(logprobs=0))
    chunks = await chunks_of(task, request)
    assert [(chunk.text, "".join(token.text for token in chunk.logprobs)) for chunk in chunks] == [
        ("tab", "tab"),
        ("", ""),
    ]
    assert chunks[-1].logprob == 6 * -0.5


async def test_the_end_token_counts_in_the_sum_and_is_not_told(tmp_path: Path) -> None:
    end_id = ALPHABET.index(".")
    task = letters(tmp_path, saying("ab.", end_id=end_id), end_id=end_id)
    chunks = await chunks_of(task, GenerateRequest("x", max_tokens=5, sampling=Sampling(logprobs=0)))
    assert [token.text for chunk in chunks for token in chunk.logprobs] == ["a", "b"]
    assert chunks[-1].logprob == 3 * -0.5


async def test_without_logprobs_nothing_is_told_of_tokens(tmp_path: Path) -> None:
    chunks = await chunks_of(letters(tmp_path), GenerateRequest("x", max_tokens=3))
    assert all(chunk.logprobs == () for chunk in chunks)


@settings(max_examples=50)
@given(
    text=st.text("ab ", min_size=1, max_size=30),
    stops=st.lists(st.text("ab ", min_size=1, max_size=3), max_size=3),
)
def test_told_tokens_make_the_text_whatever_stops_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, stops: list[str]
) -> None:
    task = letters(tmp_path_factory.mktemp("models"), saying(text))
    request = GenerateRequest("x", len(text), Sampling(logprobs=0), tuple(stops))
    for chunk in asyncio.run(chunks_of(task, request)):
        assert "".join(token.text for token in chunk.logprobs) == chunk.text
