"""Models as Hugging Face's exporters left them answer as the models themselves did in PyTorch, token by token.

The directories below `tests/huggingface` and what is expected of them were made by `tests/huggingface/make.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle import Generate, Translate
from service.config import Engine
from service.domain import GenerateRequest, ModelId, PredictRequest, Sampling, TranslateRequest
from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from service.engine.session import OnnxSession, Placement, open_session
from service.observability.metrics import Metrics
from service.repository.huggingface.decoder import STEP
from service.repository.huggingface.manifests import ENCODE
from service.repository.huggingface.opening import open_version
from service.repository.live import LoadedVersion
from service.repository.loader import BundleLoader
from tests import huggingface
from tests.support.fakes import turn_the_loop

GREEDY = Sampling(temperature=0.0)
DECODERS = ("gpt2", "llama")
PAIRS = ("marian", "t5")
Load = Callable[[str], Any]


def open_graph(path: Path) -> OnnxSession:
    return open_session(path, Placement("cpu", 1))


def soon() -> float:
    return asyncio.get_running_loop().time() + 60.0


class Tokens:
    """A model's generator, and what its framework made of each text."""

    def __init__(self, name: str, chunk: int = 64) -> None:
        self.manifest, self.sessions = open_version(ModelId(name, 1), huggingface.ROOT / name, open_graph)
        task = self.manifest.task
        assert isinstance(task, Generate | Translate)
        self.task = task
        limits = GenerationLimits(slots=6, chunk=chunk)
        signature = self.manifest.signatures[STEP]
        self.generator = Generator(self.sessions[STEP], task.step, signature, limits, end_id=task.end_ids)
        told = huggingface.expected(name)
        self.answers = told["answers"]
        self.max_tokens = told["max_tokens"]

    def prompt(self, ids: list[int]) -> Prompt:
        if isinstance(self.task, Generate):
            return Prompt(tuple(ids))
        mask = np.ones((1, len(ids)), np.int64)
        feeds = {self.task.source: np.array([ids]), "encoder_attention_mask": mask}
        names = [tensor.name for tensor in self.manifest.signatures[ENCODE].outputs]
        made = self.sessions[ENCODE].run(feeds, names)
        context = {name: array[0] for name, array in zip(names, made, strict=True)}
        return Prompt((self.task.start_id,), {"encoder_attention_mask": mask[0], **context})

    async def made(self, expected: dict[str, Any]) -> list[int]:
        prompt = self.prompt(expected["ids"])
        return [token.id async for token in self.generator.stream(prompt, GREEDY, self.max_tokens, soon())]


@pytest.fixture(params=[*DECODERS, *PAIRS])
def tokens(request: pytest.FixtureRequest) -> Iterator[Tokens]:
    made = Tokens(request.param)
    yield made
    made.generator.close()


async def test_alone_each_text_gets_the_tokens_of_its_framework(tokens: Tokens) -> None:
    for each in tokens.answers:
        assert await tokens.made(each) == each["tokens"]


async def test_a_ragged_company_gets_the_tokens_of_its_framework(tokens: Tokens) -> None:
    everyone = tokens.answers * 2
    assert await asyncio.gather(*map(tokens.made, everyone)) == [each["tokens"] for each in everyone]


async def test_those_who_come_while_others_are_under_way_get_the_tokens_of_their_framework(
    tokens: Tokens,
) -> None:
    tasks = []
    for turns, each in enumerate(tokens.answers):
        tasks.append(asyncio.create_task(tokens.made(each)))
        await turn_the_loop(2 * turns)
    assert await asyncio.gather(*tasks) == [each["tokens"] for each in tokens.answers]


@pytest.mark.parametrize("name", DECODERS)
async def test_a_prompt_that_is_read_in_chunks_gets_the_tokens_of_its_framework(name: str) -> None:
    tokens = Tokens(name, chunk=3)
    found = await asyncio.gather(*map(tokens.made, tokens.answers))
    tokens.generator.close()
    assert found == [each["tokens"] for each in tokens.answers]


@pytest.fixture
async def load() -> AsyncIterator[Load]:
    loader = BundleLoader(Engine(threads=1, device="cpu"), Metrics())
    opened: list[LoadedVersion] = []

    async def load(name: str) -> LoadedVersion:
        opened.append(await loader.load(ModelId(name, 1), huggingface.ROOT / name))
        return opened[-1]

    yield load
    for version in opened:
        version.close()
    loader.close()


@pytest.mark.parametrize("name", DECODERS)
async def test_a_text_is_tokenised_continued_and_told_as_by_its_framework(name: str, load: Load) -> None:
    version = await load(name)
    told = huggingface.expected(name)

    async def answer(expected: dict[str, Any]) -> tuple[str, str, int, int]:
        request = GenerateRequest(expected["text"], told["max_tokens"], GREEDY)
        made = await version.task.run(request, soon())
        return made.text, made.finish_reason, made.prompt_tokens, made.completion_tokens

    assert await asyncio.gather(*map(answer, told["answers"])) == [
        (each["answer"], each["finish_reason"], len(each["ids"]), len(each["tokens"]))
        for each in told["answers"]
    ]


@pytest.mark.parametrize("name", PAIRS)
async def test_a_text_is_tokenised_translated_and_told_as_by_its_framework(name: str, load: Load) -> None:
    version = await load(name)
    told = huggingface.expected(name)
    texts = tuple(each["text"] for each in told["answers"])
    request = TranslateRequest(texts, beams=1, max_tokens=told["max_tokens"])
    answer = await version.task.run(request, soon())
    assert [
        (each.text, each.finish_reason, each.source_tokens, each.target_tokens)
        for each in answer.translations
    ] == [
        (each["answer"], each["finish_reason"], len(each["ids"]), len(each["tokens"]))
        for each in told["answers"]
    ]


async def test_beams_go_on_from_the_caches_of_their_parents(load: Load) -> None:
    version = await load("marian")
    texts = tuple(each["text"] for each in huggingface.expected("marian")["answers"])
    searched = TranslateRequest(texts, beams=4, length_penalty=0.0, max_tokens=8)
    best = await version.task.run(searched, soon())
    greedy = await version.task.run(
        TranslateRequest(texts, beams=1, length_penalty=0.0, max_tokens=8), soon()
    )
    again = [await version.task.run(TranslateRequest((text,), 4, 0.0, 8), soon()) for text in texts]
    assert best.translations == tuple(each.translations[0] for each in again)
    gains = [
        mine.score - other.score for mine, other in zip(best.translations, greedy.translations, strict=True)
    ]
    assert max(gains) > 0


async def test_an_answer_ends_where_the_model_knows_no_more_positions(load: Load) -> None:
    version = await load("gpt2")
    ids = tuple(huggingface.expected("gpt2")["answers"][3]["ids"]) * 60
    made = await version.task.run(GenerateRequest(ids, max_tokens=1000, sampling=GREEDY), soon())
    assert (made.prompt_tokens, made.prompt_tokens + made.completion_tokens) == (60, 64)
    assert made.finish_reason == "length"


async def test_predict_runs_the_step_graph_itself(load: Load) -> None:
    version = await load("llama")
    expected = huggingface.expected("llama")["answers"][0]
    ids = expected["ids"]
    empty = np.zeros((1, 2, 0, 8), np.float32)
    feeds = {tensor.name: empty for tensor in version.manifest.default.inputs if tensor.kind == "state"}
    feeds |= {
        "input_ids": np.array([ids]),
        "attention_mask": np.ones((1, len(ids)), np.int64),
        "position_ids": np.arange(len(ids))[None],
    }
    answer = await version.predict.run(PredictRequest(feeds, outputs=("logits",)), soon())
    assert int(answer.outputs["logits"][0, -1].argmax()) == expected["tokens"][0]
