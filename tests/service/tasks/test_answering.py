"""Prompts that an encoder reads, and their answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service import bundle
from service.bundle import BundleError, Manifest
from service.domain import GenerateRequest, Sampling, Tensors, Timing
from service.errors import Invalid, TimedOut
from service.tasks import build_task
from service.tasks.build import Task
from tests.support import bundles
from tests.support.bundles import END, PAD, START, VOCABULARY, WORDS, translated
from tests.support.fakes import FakeGenerator, FakeRunner

NEVER_S = 1e9


def encode(feeds: Tensors) -> Tensors:
    source = feeds["source"]
    targets = [[VOCABULARY.index(WORDS.get(VOCABULARY[t], VOCABULARY[t])) for t in row] for row in source]
    return {
        "cross_targets": np.array(targets, np.float32)[..., None],
        "source_mask": (source != PAD).astype(np.float32),
    }


class Answers:
    """A generator with an encoder over fakes, with what was asked of them."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.directory = bundles.write_answerer(tmp_path, **options)
        self.manifest = bundle.read(self.directory)
        timing = Timing(queue_s=0.5, run_s=0.1)
        self.encoder = FakeRunner(self.manifest.signatures["encode"], encode, timing=timing)
        self.generator = FakeGenerator(
            context_token=lambda prompt, history: int(prompt.context["cross_targets"][len(history) - 1, 0]),
            end_id=END,
            queue_s=0.25,
        )
        self.task = self.build(self.manifest)

    def build(self, manifest: Manifest) -> Task:
        return build_task(manifest, {"encode": self.encoder}, self.generator, self.directory)

    async def ask(self, prompt: str | tuple[int, ...], **more: Any) -> Any:
        return await self.task.run(GenerateRequest(prompt, **more), NEVER_S)


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return Answers(tmp_path)


async def test_the_answer_is_generated_from_what_the_encoder_made_of_the_prompt(answers: Answers) -> None:
    answer = await answers.ask("the cat sleeps")
    assert answer.text == translated("the cat sleeps")
    assert (answer.finish_reason, answer.prompt_tokens, answer.completion_tokens) == ("stop", 4, 4)
    (asked,) = answers.generator.asked
    assert asked.prompt.tokens == (START,)
    assert asked.prompt.context.keys() == {"cross_targets", "source_mask"}
    assert answers.encoder.calls[0].feeds["source"].tolist()[0][-1] == END


async def test_waiting_for_the_encoder_is_waiting(answers: Answers) -> None:
    assert (await answers.ask("the cat")).timing.queue_s == 0.75


async def test_token_ids_are_those_of_the_encoder_and_end_too(answers: Answers) -> None:
    text = await answers.ask("the cat")
    ids = tuple(VOCABULARY.index(word) for word in ("the", "cat"))
    assert (await answers.ask(ids)).text == text.text
    with pytest.raises(Invalid, match=f"expected token ids of 0 to {len(VOCABULARY) - 1}"):
        await answers.ask((len(VOCABULARY),))


async def test_the_echo_is_the_prompt(answers: Answers) -> None:
    assert (await answers.ask("the cat", echo=True)).text == "the cat" + translated("the cat")


async def test_without_an_end_token_the_prompt_is_read_as_it_is(tmp_path: Path) -> None:
    answers = Answers(tmp_path, end_id=None)
    await answers.ask("the cat", max_tokens=1)
    assert answers.encoder.calls[0].feeds["source"].shape == (1, 2)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "expected a prompt"),
        (" " * 3, "expected a prompt"),
        ("the " * 8, "the prompt has 8 tokens, this model takes at most 7"),
        ("the " * 200, "the prompt has 800 characters, this model takes 7 tokens"),
    ],
)
async def test_a_prompt_that_is_empty_or_too_long_never_reaches_the_encoder(
    answers: Answers, prompt: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        await answers.ask(prompt)
    assert caught.value.field == "prompt"
    assert not answers.encoder.calls


async def test_bad_sampling_is_refused_before_the_encoder_runs(answers: Answers) -> None:
    with pytest.raises(Invalid):
        await answers.ask("the cat", sampling=Sampling(temperature=-1))
    assert not answers.encoder.calls


async def test_a_failing_encoder_is_the_answer_and_takes_no_slot(answers: Answers) -> None:
    answers.encoder.fail = TimedOut("too late")
    with pytest.raises(TimedOut):
        await answers.ask("the cat")
    assert not answers.generator.asked


async def test_a_caller_who_leaves_while_the_encoder_runs_asks_for_no_tokens(answers: Answers) -> None:
    answers.encoder.gate = asyncio.Event()
    waiting = asyncio.create_task(answers.ask("the cat"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not answers.generator.asked


def test_a_context_that_the_encoder_does_not_give_is_refused(answers: Answers) -> None:
    task = answers.manifest.task
    assert isinstance(task, bundle.Generate)
    step = task.step.model_copy(update={"context": ("nothing",)})
    broken = answers.manifest.model_copy(update={"task": task.model_copy(update={"step": step})})
    with pytest.raises(BundleError, match="the encoder has no 'nothing' for the step's context"):
        answers.build(broken)


def test_a_manifest_with_an_encoder_says_what_the_step_graph_begins_with(answers: Answers) -> None:
    with pytest.raises(ValueError, match="start_id must say"):
        bundle.Generate.model_validate(answers.manifest.task.model_dump() | {"start_id": None})
