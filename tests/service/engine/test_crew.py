"""A run in pieces: where it is cut, who makes which piece, and that sequences do not notice."""

import asyncio
import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Tensors
from service.engine import crew
from service.engine.cost import RunCost
from service.engine.crew import Crew, cuts
from service.engine.generator import GenerationLimits
from tests.service.engine.generators import expected, generator_of, ids, prompt_of
from tests.support.fakes import Compute, FakeSession


def cost_of(row_s: float, fixed_s: float = 0.0) -> RunCost:
    cost = RunCost()
    for rows in (1, 8, 32) * 8:
        cost.observe(rows, fixed_s + rows * row_s)
    return cost


def test_nothing_is_cut_before_a_cost_is_known() -> None:
    assert cuts(32, RunCost(), 2) == ()


def test_a_run_is_cut_where_a_piece_of_it_takes_long_enough() -> None:
    assert cuts(32, cost_of(30e-6), 2) == (18,)
    assert cuts(32, cost_of(5e-6), 2) == ()
    assert cuts(32, cost_of(30e-6), 1) == ()
    assert cuts(1, cost_of(1.0), 2) == ()


def test_a_run_that_costs_the_same_for_any_rows_is_not_cut() -> None:
    assert cuts(32, cost_of(1e-6, fixed_s=0.01), 2) == ()


@given(st.integers(1, 100), st.integers(1, 9), st.floats(0, 1e-3))
def test_pieces_are_as_long_as_each_other_but_for_the_first_which_is_longer(
    rows: int, most: int, row_s: float
) -> None:
    places = (0, *cuts(rows, cost_of(row_s), most), rows)
    first, *others = np.diff(places).tolist()
    assert len(others) < most
    assert first >= max(others, default=0)
    assert len(set(others)) <= 1
    assert min(others, default=1) > 0


def test_one_more_piece_must_take_something_off_as_well() -> None:
    assert cuts(64, cost_of(1e-3), 3) == (24, 44)
    assert cuts(64, cost_of(15e-6), 3) == (35,), "a third one would take eleven rows off, of 15 us"
    assert cuts(3, cost_of(1.0), 8) == (2,)


def test_all_pieces_are_done_the_first_of_them_here() -> None:
    done: dict[int, int] = {}
    pieces = [lambda number=number: done.update({number: threading.get_ident()}) for number in range(4)]
    workers = Crew()
    workers.work(pieces)
    workers.close()
    assert sorted(done) == [0, 1, 2, 3]
    assert done[0] == threading.get_ident()


def test_a_piece_that_no_thread_has_begun_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "usable_cores", lambda: 1)
    begun, over = threading.Event(), threading.Event()
    where: list[int] = []

    def busy() -> None:
        begun.set()
        assert over.wait(20)

    def left() -> None:
        where.append(threading.get_ident())
        over.set()

    workers = Crew()
    # The only thread is busy until the last piece, which waits behind that, is done.
    workers.work([partial(_wait, begun), busy, left])
    workers.close()
    assert where == [threading.get_ident()]


def test_who_is_at_work_when_the_threads_end_does_everything() -> None:
    done: list[int] = []
    workers = Crew()
    workers.close()
    assert workers.work([partial(done.append, number) for number in range(3)]) is None
    assert done == [0, 1, 2]


def _wait(event: threading.Event) -> None:
    assert event.wait(20)


@pytest.mark.parametrize("failing", ["first", "other"])
def test_the_error_of_a_piece_is_raised_when_nobody_works_any_more(failing: str) -> None:
    begun, left, over = threading.Event(), threading.Event(), threading.Event()

    def fail(name: str) -> None:
        if name == failing:
            raise ArithmeticError(name)

    def first() -> None:
        _wait(begun)
        left.set()
        fail("first")

    def other() -> None:
        begun.set()
        _wait(left)
        np.linalg.inv(np.random.default_rng(1).normal(size=(300, 300)))  # goes on for a while
        over.set()
        fail("other")

    workers = Crew()
    with pytest.raises(ArithmeticError, match=failing):
        workers.work([first, other])
    assert over.is_set()
    workers.close()


INLINE = GenerationLimits(inline_bound_s=60.0, beside_bound_s=math.inf)


class Abreast(FakeSession):
    """A `contracts.BindingSession` that may make two runs at once; notes how many rows those it was bound to had."""

    def __init__(self, compute: Compute) -> None:
        super().__init__(compute)
        self.bound_rows: list[int] = []

    def abreast(self, spare: int = 0) -> int:
        return 2 - spare

    def bind(self, feeds: Tensors, outputs: Tensors) -> Callable[[], None]:
        def run() -> None:
            made = self.run(feeds, list(outputs))
            self.bound_rows.append(len(made[0]))
            for array, new in zip(outputs.values(), made, strict=True):
                array[...] = new

        return run


@pytest.mark.parametrize("kind", ["recurrent", "attention"])
async def test_sequences_whose_steps_are_made_in_pieces_give_what_they_give_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "WORTH_S", 0.0)
    generator, session = generator_of(kind, INLINE, made=Abreast)
    prompts = [(start, 5, start % 3) for start in range(9)]
    found = await asyncio.gather(
        *(ids(generator, prompt_of(kind, prompt), 6 + prompt[0]) for prompt in prompts)
    )
    generator.close()
    assert found == [expected(prompt, 6 + prompt[0]) for prompt in prompts]
    assert isinstance(session, Abreast)
    assert {5, 4} <= set(session.bound_rows), "nine rows were run as five and four"


@pytest.mark.parametrize("kind", ["recurrent", "attention"])
async def test_who_fails_together_and_not_alone_gives_what_it_gives_alone(kind: str) -> None:
    generator, session = generator_of(kind, INLINE, made=Abreast)
    together = itertools.count(1)
    session.fail = ArithmeticError()
    session.fails = lambda feeds: len(next(iter(feeds.values()))) > 1 and next(together) % 3 == 0
    prompts = [(start, 5, start % 3) for start in range(5)]
    found = await asyncio.gather(
        *(ids(generator, prompt_of(kind, prompt), 6 + prompt[0]) for prompt in prompts)
    )
    generator.close()
    assert next(together) > 4
    assert found == [expected(prompt, 6 + prompt[0]) for prompt in prompts]


@pytest.mark.parametrize(("inline_bound_s", "pieces"), [(60.0, {5, 4}), (0.0, {9})])
async def test_a_step_in_a_thread_leaves_a_core_to_the_loop(
    inline_bound_s: float, pieces: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "WORTH_S", 0.0)
    limits = replace(INLINE, inline_bound_s=inline_bound_s)
    generator, session = generator_of("recurrent", limits, made=Abreast)
    await asyncio.gather(*(ids(generator, prompt_of("recurrent", (start,)), 4) for start in range(9)))
    generator.close()
    assert isinstance(session, Abreast)
    assert set(session.bound_rows) == pieces
