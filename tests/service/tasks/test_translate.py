"""Texts and their translations."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service import bundle
from service.bundle import BundleError, Manifest
from service.domain import ModelId, Tensors, Timing, TranslateRequest
from service.engine.contracts import Prompt
from service.errors import Invalid, TimedOut, Unavailable
from service.tasks import build_task
from service.tasks.build import Task
from tests.support import bundles
from tests.support.bundles import END, PAD, START, VOCABULARY, WORDS, translated
from tests.support.fakes import LOGPROB, FakeGenerator, FakeRunner, turn_the_loop, unavailable

NEVER_S = 1e9


def target_of(token: int) -> int:
    word = VOCABULARY[token]
    return VOCABULARY.index(WORDS.get(word, word))


def encode(feeds: Tensors) -> Tensors:
    source = feeds["source"]
    return {
        "cross_targets": np.vectorize(target_of)(source).astype(np.float32)[..., None],
        "source_mask": (source != PAD).astype(np.float32),
    }


def read_out(prompt: Prompt, history: tuple[int, ...]) -> int:
    """Return the target token of the source's next place, as the step graph does."""
    return int(prompt.context["cross_targets"][len(history) - 1, 0])


class Words:
    """A translator over fakes, with what was asked of them."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.directory = bundles.write_translator(tmp_path, **options)
        self.manifest = bundle.read(self.directory)
        timing = Timing(queue_s=0.1, run_s=0.2, batch_rows=3, padding=0.5)
        self.encoder = FakeRunner(self.manifest.signatures["encode"], encode, timing=timing)
        self.generator = FakeGenerator(context_token=read_out, end_id=END, queue_s=0.25)
        self.task = self.build(self.manifest)

    def build(self, manifest: Manifest) -> Task:
        return build_task(manifest, {"encode": self.encoder}, self.generator, self.directory)

    async def run(self, *texts: str, **more: Any) -> Any:
        return await self.task.run(TranslateRequest(texts, **more), NEVER_S)


@pytest.fixture
def words(tmp_path: Path) -> Words:
    return Words(tmp_path)


async def test_a_source_whose_tokenizer_adds_special_tokens_gets_no_end_token_from_us(words: Words) -> None:
    task = words.manifest.task
    assert isinstance(task, bundle.Translate)
    special = task.source_tokenizer.model_copy(update={"adds_special": True})
    changed = task.model_copy(update={"source_tokenizer": special})
    answer = await words.build(words.manifest.model_copy(update={"task": changed})).run(
        TranslateRequest(("the cat",), max_tokens=2), NEVER_S
    )
    assert answer.translations[0].source_tokens == 2
    assert answer.translations[0].text == translated("the cat")


async def test_each_text_is_translated_by_itself_in_its_place(words: Words) -> None:
    texts = ("the cat sleeps", "A big dog", "the man sees the dog")
    answer = await words.run(*texts)
    assert answer.model == ModelId("words", 1)
    assert [each.text for each in answer.translations] == [translated(text) for text in texts]
    first = answer.translations[0]
    assert (first.finish_reason, first.source_tokens, first.target_tokens) == ("stop", 4, 4)
    assert first.score == 4 * LOGPROB


async def test_the_source_ends_with_the_end_token_and_the_target_starts_with_the_start_token(
    words: Words,
) -> None:
    await words.run("the cat")
    source = words.encoder.calls[0].feeds["source"]
    assert source.tolist() == [[VOCABULARY.index("the"), VOCABULARY.index("cat"), END]]
    assert source.dtype == np.int32
    prompt = words.generator.asked[0].prompt
    assert prompt.tokens == (START,)
    assert {name: array.shape for name, array in prompt.context.items()} == {
        "cross_targets": (3, 1),
        "source_mask": (3,),
    }
    # A view of one row would keep the whole batch in memory for as long as the translation takes.
    memory = [array if array.base is None else array.base for array in prompt.context.values()]
    assert [each.nbytes for each in memory] == [each.nbytes for each in prompt.context.values()]


async def test_beams_penalty_limit_and_deadline_are_passed_on(words: Words) -> None:
    await words.run("the cat", beams=4, length_penalty=1.0, max_tokens=2)
    asked = words.generator.asked[0]
    assert (asked.beams, asked.length_penalty, asked.max_new_tokens) == (4, 1.0, 2)
    assert asked.deadline_at_s == words.encoder.calls[0].deadline_at_s == NEVER_S


async def test_a_translation_cut_off_by_the_limit_says_so(words: Words) -> None:
    answer = await words.run("the cat sleeps", max_tokens=2)
    only = answer.translations[0]
    assert (only.text, only.finish_reason, only.target_tokens) == ("le chat", "length", 2)


async def test_a_limit_beyond_the_models_own_means_the_models_own(tmp_path: Path) -> None:
    words = Words(tmp_path, max_new_tokens=5)
    await words.run("the cat", max_tokens=1000)
    await words.run("the cat")
    assert [asked.max_new_tokens for asked in words.generator.asked] == [5, 5]


async def test_timing_tells_the_longest_wait_and_the_largest_batch(words: Words) -> None:
    timing = (await words.run("the cat", "the dog")).timing
    assert timing.queue_s == pytest.approx(0.35)
    assert (timing.batch_rows, timing.padding, timing.run_s >= 0) == (3, 0.5, True)


async def test_texts_are_under_way_side_by_side_but_not_without_bound(words: Words) -> None:
    words.encoder.gate = asyncio.Event()
    running = asyncio.create_task(words.run(*["the cat"] * 100))
    await turn_the_loop()
    assert len(words.encoder.calls) == 32
    words.encoder.gate.set()
    answer = await running
    assert [each.text for each in answer.translations] == ["le chat"] * 100
    assert words.encoder.most_concurrent == 32


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (TranslateRequest(()), "texts", "expected 1 to 1024 texts, got 0"),
        (TranslateRequest(("the",) * 1025), "texts", "expected 1 to 1024 texts, got 1025"),
        (TranslateRequest(("the", "")), "texts[1]", "nothing but space"),
        (TranslateRequest(("the", " \n\t")), "texts[1]", "nothing but space"),
        (
            TranslateRequest(("the", "cat", "the " * 16)),
            "texts[2]",
            "has 16 tokens, this model takes at most 15",
        ),
        (TranslateRequest(("a" * 10_000,)), "texts[0]", "has 10000 characters"),
        (TranslateRequest(("\udc00",)), "texts[0]", "lone surrogate"),
        (TranslateRequest(("the",), beams=0), "beams", "expected 1 to 8 beams, got 0"),
        (TranslateRequest(("the",), beams=9), "beams", "expected 1 to 8 beams, got 9"),
        (TranslateRequest(("the",), max_tokens=0), "max_tokens", "expected 1 or more, got 0"),
        (TranslateRequest(("the",), length_penalty=float("nan")), "length_penalty", "expected -10 to 10"),
        (TranslateRequest(("the",), length_penalty=11.0), "length_penalty", "got 11"),
    ],
)
async def test_a_wrong_request_names_its_field_before_anything_runs(
    words: Words, request_: TranslateRequest, field: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        await words.task.run(request_, NEVER_S)
    assert caught.value.field == field
    assert (words.encoder.calls, words.generator.asked) == ([], [])


async def test_the_longest_text_that_is_allowed_is_translated(words: Words) -> None:
    answer = await words.run("the " * 15)
    assert answer.translations[0].text == " ".join(["le"] * 15)


async def test_many_characters_are_tokenised_beside_the_loop_with_the_same_answer(words: Words) -> None:
    text = "the cat sees the dog" + " " * 500
    answer = await words.run(*[text] * 60)
    assert {each.text for each in answer.translations} == {"le chat voit le chien"}


async def test_one_failing_text_fails_the_request_with_its_own_error_and_stops_the_others(
    words: Words,
) -> None:
    words.generator.fail = unavailable()
    words.generator.fail_after = 1
    with pytest.raises(Unavailable):
        await words.run("the cat", "the dog")
    assert all(asked.closed for asked in words.generator.asked)
    words.encoder.fail = unavailable()
    with pytest.raises(Unavailable):
        await words.run("the cat", "the dog")


async def test_a_passed_deadline_is_told(words: Words) -> None:
    with pytest.raises(TimedOut):
        await words.task.run(TranslateRequest(("the cat",)), 0.0)


async def test_a_caller_who_is_cancelled_leaves_nothing_running(words: Words) -> None:
    words.generator.gate = asyncio.Event()
    running = asyncio.create_task(words.run("the cat", "the dog"))
    await turn_the_loop()
    assert len(words.generator.asked) == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(asked.closed for asked in words.generator.asked)


async def test_words_that_are_not_known_are_left_out(words: Words) -> None:
    assert (await words.run("the unheard cat")).translations[0].text == "le chat"


def test_a_context_that_the_encoder_does_not_give_is_noticed_when_the_version_is_loaded(words: Words) -> None:
    task = words.manifest.task
    assert isinstance(task, bundle.Translate)
    step = task.step.model_copy(update={"context": ("cross_targets", "style")})
    manifest = words.manifest.model_copy(update={"task": task.model_copy(update={"step": step})})
    with pytest.raises(BundleError, match="the encoder has no 'style'"):
        words.build(manifest)


async def test_a_context_may_also_be_what_the_encoder_was_fed(words: Words) -> None:
    task = words.manifest.task
    assert isinstance(task, bundle.Translate)
    step = task.step.model_copy(update={"context": ("cross_targets", "source")})
    manifest = words.manifest.model_copy(update={"task": task.model_copy(update={"step": step})})
    answer = await words.build(manifest).run(TranslateRequest(("the cat",)), NEVER_S)
    assert answer.translations[0].text == "le chat"
    assert words.generator.asked[0].prompt.context["source"].tolist() == [4, 5, END]
