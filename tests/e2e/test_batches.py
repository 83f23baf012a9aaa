"""On trained models, a row of a full batch gets the tokens that it gets alone."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from service import bundle
from service.bundle import Generate, Manifest, Translate
from service.domain import Sampling
from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from service.engine.session import OnnxSession, Placement, open_session
from tests.e2e.conftest import Newcomer

ROWS = 32
TOKENS = 24
CPU = Placement(device="cpu", threads=1)


class Model:
    """One trained bundle, and prompts of many lengths for it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.manifest: Manifest = bundle.read(directory)
        task = self.manifest.task
        assert isinstance(task, Generate | Translate)
        self.task = task
        self.session = self.open(task.step.signature)

    def open(self, signature: str) -> OnnxSession:
        return open_session(self._directory / self.manifest.signatures[signature].file, CPU)

    def prompts(self) -> list[Prompt]:
        random = np.random.default_rng(4)
        lengths = random.integers(1, 60, ROWS)
        if isinstance(self.task, Generate):
            size = self.task.vocabulary_size
            return [Prompt(tuple(random.integers(0, size, length).tolist())) for length in lengths]
        encoder, task = self.open(self.task.encode), self.task
        prompts = []
        for length in lengths:
            source = random.integers(4, 90, (1, length)).astype(np.int32)
            outputs = encoder.run({task.source: source}, task.step.context)
            context = dict(zip(task.step.context, (array[0] for array in outputs), strict=True))
            prompts.append(Prompt((task.start_id,), context))
        return prompts

    def answers(self, prompts: list[Prompt], limits: GenerationLimits) -> list[list[int]]:
        signature = self.manifest.signatures[self.task.step.signature]

        async def together() -> list[list[int]]:
            generator = Generator(self.session, self.task.step, signature, limits, end_id=self.task.end_id)
            found = await asyncio.gather(*(_tokens(generator, prompt) for prompt in prompts))
            generator.close()
            return list(found)

        return asyncio.run(together())


async def _tokens(generator: Generator, prompt: Prompt) -> list[int]:
    stream = generator.stream(prompt, Sampling(temperature=0), TOKENS, time.monotonic() + 120)
    return [token.id async for token in stream]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prose-lstm", "english-french"])
def test_every_row_of_a_full_batch_is_answered_as_it_is_alone(newcomer: Newcomer, name: str) -> None:
    model = Model(newcomer.home / "models" / name / "1")
    prompts = model.prompts()
    together = model.answers(prompts, GenerationLimits(slots=ROWS))
    alone = [model.answers([prompt], GenerationLimits(slots=1))[0] for prompt in prompts]
    assert together == alone
    # Fewer slots than rows, short chunks: everyone is moved about.
    assert model.answers(prompts, GenerationLimits(slots=5, chunk=7)) == alone
