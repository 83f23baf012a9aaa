"""State that stays on the device between steps, through a session that holds; on this machine, the device is a fake."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from service import bundle
from service.bundle import Generate
from service.domain import Array, Sampling
from service.engine.contracts import Held, Prompt
from service.engine.generator import GenerationLimits, Generator
from service.engine.session import OnnxSession, Placement, open_session
from tests.service.engine.step_models import (
    RECURRENT,
    RECURRENT_SIGNATURE,
    fold,
    logits_of,
    recurrent,
)
from tests.support import bundles
from tests.support.fakes import FakeSession


class FarAway:
    """A tensor on a device: it can only be fetched, and that is counted."""

    def __init__(self, array: Array, fetched: list[str], name: str) -> None:
        self._array = array
        self._fetched = fetched
        self._name = name

    def numpy(self) -> Array:
        self._fetched.append(self._name)
        return self._array.copy()

    def here(self) -> Array:
        return self._array


class HoldingFake(FakeSession):
    """A `contracts.HoldingSession` over a function."""

    holds = True

    def __init__(self) -> None:
        super().__init__(recurrent)
        self.fetched: list[str] = []
        self.held_feeds = 0

    def run_held(
        self, feeds: Mapping[str, Array | Held], outputs: Sequence[str], held: Sequence[str]
    ) -> tuple[list[Array], list[Held]]:
        self.held_feeds += sum(isinstance(value, FarAway) for value in feeds.values())
        near = {
            name: value.here() if isinstance(value, FarAway) else np.asarray(value)
            for name, value in feeds.items()
        }
        arrays = self.run(near, [*outputs, *held])
        kept = [
            FarAway(array, self.fetched, name)
            for name, array in zip(held, arrays[len(outputs) :], strict=True)
        ]
        return arrays[: len(outputs)], list(kept)


async def tokens(generator: Generator, prompt: tuple[int, ...], count: int) -> list[int]:
    deadline_at_s = asyncio.get_running_loop().time() + 20
    stream = generator.stream(Prompt(prompt), Sampling(temperature=0.0), count, deadline_at_s)
    return [token.id async for token in stream]


def expected(prompt: tuple[int, ...], count: int) -> list[int]:
    made: list[int] = []
    for _ in range(count):
        made.append(int(logits_of([fold(0, [*prompt, *made])])[0].argmax()))
    return made


def holding() -> tuple[Generator, HoldingFake]:
    session = HoldingFake()
    limits = GenerationLimits(chunk=3, inline_bound_s=60.0)
    return Generator(session, RECURRENT, RECURRENT_SIGNATURE, limits, end_id=None), session


async def test_while_nobody_comes_or_goes_the_state_stays_where_it_is() -> None:
    generator, session = holding()
    assert await tokens(generator, (1, 2), 40) == expected((1, 2), 40)
    assert session.held_feeds == 39
    assert len(session.fetched) <= 2


async def test_who_comes_and_goes_changes_nobodys_tokens() -> None:
    generator, session = holding()
    prompts = [tuple(range(1, 2 + number)) for number in range(8)]
    found = await asyncio.gather(*(tokens(generator, each, 3 + 2 * len(each)) for each in prompts))
    assert found == [expected(each, 3 + 2 * len(each)) for each in prompts]
    assert session.held_feeds


async def test_beams_follow_their_parents_when_state_is_held() -> None:
    generator, _ = holding()
    plain = Generator(FakeSession(recurrent), RECURRENT, RECURRENT_SIGNATURE, GenerationLimits(), end_id=None)
    deadline_at_s = asyncio.get_running_loop().time() + 20
    asked = (Prompt((4,)), 3, 0.6, 8, deadline_at_s)
    mine, theirs = await generator.search(*asked), await plain.search(*asked)
    assert (mine.tokens, mine.score) == (theirs.tokens, theirs.score)


def test_io_binding_gives_what_a_plain_run_gives(tmp_path: Path) -> None:
    directory = bundles.write_generator(tmp_path)
    manifest = bundle.read(directory)
    assert isinstance(manifest.task, Generate)
    step = manifest.task.step
    signature = manifest.signatures[step.signature]
    plain = open_session(directory / signature.file, Placement("cpu", 1))
    bound = OnnxSession(plain._session, holds=True)

    async def together(session: OnnxSession) -> list[list[int]]:
        generator = Generator(session, step, signature, GenerationLimits(inline_bound_s=60.0), end_id=None)
        return await asyncio.gather(*(tokens(generator, (start, 5), 6 + start) for start in range(5)))

    assert asyncio.run(together(bound)) == asyncio.run(together(plain))
