"""Models as Hugging Face's exporters left them answer as the models themselves did in PyTorch, token by token.

The directories below `tests/huggingface` and what is expected of them were made by `tests/huggingface/make.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.config import Engine
from service.domain import GenerateRequest, ModelId, Sampling, TranslateRequest
from service.observability.metrics import Metrics
from service.repository.live import LoadedVersion
from service.repository.loader import BundleLoader
from tests import huggingface

GREEDY = Sampling(temperature=0.0)
DECODERS = ("gpt2", "llama")
PAIRS = ("marian", "t5")


class Opened:
    """A loaded model, and what its framework said to each text."""

    def __init__(self, version: LoadedVersion, told: dict[str, Any]) -> None:
        self.version = version
        self.answers = told["answers"]
        self.max_tokens = told["max_tokens"]

    async def generated(self, expected: dict[str, Any], **changes: Any) -> dict[str, Any]:
        request = GenerateRequest(expected["text"], max_tokens=self.max_tokens, sampling=GREEDY)
        answer = await self.version.task.run(request, soon())
        return {"answer": answer.text, "finish_reason": answer.finish_reason}

    async def translated(self, texts: list[str], beams: int = 1) -> list[dict[str, Any]]:
        request = TranslateRequest(tuple(texts), beams=beams, max_tokens=self.max_tokens)
        answer = await self.version.task.run(request, soon())
        return [{"answer": each.text, "finish_reason": each.finish_reason} for each in answer.translations]


def soon() -> float:
    return asyncio.get_running_loop().time() + 60.0


def told(expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: each[name] for name in ("answer", "finish_reason")} for each in expected]


@pytest.fixture
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    name = request.param
    loader = BundleLoader(Engine(threads=1, device="cpu"), Metrics())
    version = await loader.load(ModelId(name, 1), huggingface.ROOT / name)
    yield Opened(version, huggingface.expected(name))
    version.close()
    loader.close()


@pytest.mark.parametrize("opened", DECODERS, indirect=True)
async def test_a_decoder_alone_continues_each_text_as_its_framework(opened: Opened) -> None:
    for each in opened.answers:
        assert [await opened.generated(each)] == told([each])


@pytest.mark.parametrize("opened", DECODERS, indirect=True)
async def test_a_decoder_continues_ragged_texts_in_company_as_its_framework(opened: Opened) -> None:
    everyone = opened.answers * 3
    assert await asyncio.gather(*map(opened.generated, everyone)) == told(everyone)


@pytest.mark.parametrize("opened", PAIRS, indirect=True)
async def test_a_pair_translates_each_text_as_its_framework(opened: Opened) -> None:
    for each in opened.answers:
        assert await opened.translated([each["text"]]) == told([each])


@pytest.mark.parametrize("opened", PAIRS, indirect=True)
async def test_a_pair_translates_ragged_texts_in_company_as_its_framework(opened: Opened) -> None:
    texts = [each["text"] for each in opened.answers]
    assert await opened.translated(texts * 3) == told(opened.answers * 3)
