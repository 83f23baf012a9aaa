"""The batcher's promises."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Sequence

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bundle import Signature, Tensor
from service.domain import Array, Tensors
from service.engine.batcher import Batcher, BatchRecord
from service.engine.batching import BatchLimits
from service.engine.contracts import Answer
from service.errors import Code, Internal, Invalid, Overloaded, ServiceError, TimedOut, Unavailable
from tests.support.fakes import FakeSession

SIGNATURE = Signature(
    file="model.onnx",
    saved_model_signature="s",
    inputs=(Tensor(name="x", dtype="float32", shape=("batch", 1)),),
    outputs=(
        Tensor(name="double", dtype="float32", shape=("batch", 1)),
        Tensor(name="square", dtype="float32", shape=("batch", 1)),
    ),
)


def compute(feeds: Tensors) -> Tensors:
    return {"double": feeds["x"] * 2, "square": feeds["x"] ** 2}


def column(*values: float) -> dict[str, Array]:
    return {"x": np.array(values, np.float32)[:, None]}


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def ask(batcher: Batcher, *values: float, timeout_s: float = 10.0) -> list[float]:
    answer = await batcher.run(column(*values), ("double",), in_s(timeout_s))
    return [float(value) for value in answer.outputs["double"][:, 0]]


async def started(session: FakeSession) -> None:
    """Wait until the session is inside a run."""
    assert await asyncio.to_thread(session.entered.wait, 5)


async def queued(batcher: Batcher, count: int) -> None:
    while batcher.queued < count:  # noqa: ASYNC110  # the batcher tells nobody that it queues
        await asyncio.sleep(0)


async def outcomes(answers: Sequence[Awaitable[object]]) -> list[object]:
    return list(await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 10))


@pytest.fixture
def session() -> FakeSession:
    return FakeSession(compute)


@pytest.fixture
def busy(session: FakeSession) -> FakeSession:
    """A session whose first run waits at the gate."""
    session.gate.clear()
    return session


async def test_a_lone_caller_is_answered(session: FakeSession) -> None:
    assert await ask(Batcher(session, SIGNATURE, BatchLimits()), 1, 2) == [2, 4]


async def test_callers_who_come_together_share_one_run(session: FakeSession) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits())
    assert await asyncio.gather(*(ask(batcher, value) for value in range(5))) == [[0], [2], [4], [6], [8]]
    assert session.batch_sizes == [5]


async def test_what_arrives_during_a_run_forms_the_next_batch(busy: FakeSession) -> None:
    batcher = Batcher(busy, SIGNATURE, BatchLimits())
    first = asyncio.create_task(ask(batcher, 1))
    await started(busy)
    rest = [asyncio.create_task(ask(batcher, value)) for value in (2, 3, 4)]
    await queued(batcher, 3)
    busy.gate.set()
    assert await outcomes([first, *rest]) == [[2], [4], [6], [8]]
    assert busy.batch_sizes == [1, 3]


async def test_no_run_has_more_rows_than_the_limit(session: FakeSession) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits(max_rows=4))
    await asyncio.gather(*(ask(batcher, value) for value in range(10)))
    assert session.batch_sizes == [4, 4, 2]


async def test_the_answer_tells_how_it_came_about(session: FakeSession) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits(max_rows=3))
    answers = await asyncio.gather(*(batcher.run(column(1), (), in_s(9)) for _ in range(3)))
    assert {(answer.timing.batch_rows, answer.timing.reason) for answer in answers} == {(3, "full")}
    assert set(answers[0].outputs) == {"double", "square"}


def test_waiting_is_measured_finer_than_the_loop_counts() -> None:
    """The clock of uvloop stands still for a millisecond; a wait is never nothing."""

    async def wait() -> float:
        batcher = Batcher(FakeSession(compute), SIGNATURE, BatchLimits())
        return (await batcher.run(column(1), (), in_s(9))).timing.queue_s

    assert uvloop.run(wait()) > 0.0


async def test_each_run_is_recorded_once(session: FakeSession) -> None:
    records: list[BatchRecord] = []
    batcher = Batcher(session, SIGNATURE, BatchLimits(), on_batch=records.append)
    await asyncio.gather(ask(batcher, 1), ask(batcher, 2, 3))
    assert [(record.requests, record.rows, record.reason, record.failed) for record in records] == [
        (2, 3, "idle", False)
    ]


async def test_a_short_run_is_made_on_the_loop_once_its_cost_is_known() -> None:
    threads: list[int] = []

    def remember(feeds: Tensors) -> Tensors:
        threads.append(threading.get_ident())
        return compute(feeds)

    batcher = Batcher(FakeSession(remember), SIGNATURE, BatchLimits(inline_bound_s=60.0))
    await ask(batcher, 1)
    await ask(batcher, 1)
    assert threads[0] != threading.get_ident()
    assert threads[1] == threading.get_ident()


async def test_a_long_run_never_blocks_the_loop() -> None:
    threads: list[int] = []

    def remember(feeds: Tensors) -> Tensors:
        threads.append(threading.get_ident())
        return compute(feeds)

    batcher = Batcher(FakeSession(remember), SIGNATURE, BatchLimits(inline_bound_s=0.0))
    for _ in range(3):
        await ask(batcher, 1)
    assert threading.get_ident() not in threads


async def test_a_caller_who_left_the_queue_is_not_run(busy: FakeSession) -> None:
    batcher = Batcher(busy, SIGNATURE, BatchLimits())
    first = asyncio.create_task(ask(batcher, 1))
    await started(busy)
    leaving, staying = (asyncio.create_task(ask(batcher, value)) for value in (2, 3))
    await queued(batcher, 2)
    leaving.cancel()
    busy.gate.set()
    assert await outcomes([first, staying]) == [[2], [6]]
    assert busy.batch_sizes == [1, 1]


async def test_a_caller_who_leaves_during_the_run_harms_nobody(busy: FakeSession) -> None:
    batcher = Batcher(busy, SIGNATURE, BatchLimits())
    callers = [asyncio.create_task(ask(batcher, value)) for value in (1, 2, 3)]
    await started(busy)
    callers[1].cancel()
    busy.gate.set()
    assert await outcomes([callers[0], callers[2]]) == [[2], [6]]
    assert await ask(batcher, 4) == [8]


async def test_one_bad_request_does_not_fail_its_neighbours(session: FakeSession) -> None:
    session.fail = RuntimeError("13 is out of bounds")
    session.fails = lambda feeds: bool((feeds["x"] == 13).any())
    batcher = Batcher(session, SIGNATURE, BatchLimits())
    good, bad, other = await outcomes([ask(batcher, 1), ask(batcher, 13), ask(batcher, 3)])
    assert (good, other) == ([2], [6])
    assert isinstance(bad, Internal)
    assert "13" not in bad.message
    assert bad.__cause__ is session.fail
    assert await ask(batcher, 5) == [10]


async def test_a_failing_model_answers_everyone(session: FakeSession) -> None:
    session.fail = RuntimeError("broken")
    batcher = Batcher(session, SIGNATURE, BatchLimits())
    failures = await outcomes([ask(batcher, value) for value in range(4)])
    assert [type(failure) for failure in failures] == [Internal] * 4


async def test_a_wrong_request_is_refused_before_the_queue(session: FakeSession) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits())
    with pytest.raises(Invalid) as caught:
        await batcher.run({"x": np.zeros((1, 2), np.float32)}, (), in_s(9))
    assert caught.value.field == "inputs.x"
    assert session.batch_sizes == []


async def test_a_deadline_that_has_passed_is_refused_at_the_door(session: FakeSession) -> None:
    with pytest.raises(TimedOut):
        await ask(Batcher(session, SIGNATURE, BatchLimits()), 1, timeout_s=0.0)
    assert session.batch_sizes == []


async def test_a_deadline_that_passes_in_the_queue_never_reaches_the_session(busy: FakeSession) -> None:
    batcher = Batcher(busy, SIGNATURE, BatchLimits())
    first = asyncio.create_task(ask(batcher, 1))
    await started(busy)
    late = asyncio.create_task(ask(batcher, 2, timeout_s=0.01))
    later = asyncio.create_task(ask(batcher, 3, timeout_s=0.02))
    assert [type(each) for each in await outcomes([late, later])] == [TimedOut, TimedOut]
    assert batcher.queued == 0
    busy.gate.set()
    assert await first == [2]
    assert busy.batch_sizes == [1]


async def test_a_deadline_that_passes_while_the_loop_is_held_up_never_reaches_the_session(
    session: FakeSession,
) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits())
    late = asyncio.create_task(ask(batcher, 1, timeout_s=0.005))
    staying = asyncio.create_task(ask(batcher, 2))
    asyncio.get_running_loop().call_soon(time.sleep, 0.02)
    answer, other = await outcomes([late, staying])
    assert isinstance(answer, TimedOut)
    assert other == [4]
    assert session.batch_sizes == [1]


async def test_a_caller_whose_run_takes_too_long_is_told_in_time(busy: FakeSession) -> None:
    batcher = Batcher(busy, SIGNATURE, BatchLimits())
    with pytest.raises(TimedOut):
        await ask(batcher, 1, timeout_s=0.02)
    busy.gate.set()
    assert await ask(batcher, 2) == [4]


@pytest.mark.parametrize("limits", [BatchLimits(max_queued=2), BatchLimits(max_queued_bytes=8)])
async def test_a_full_queue_refuses_and_says_when_to_come_back(
    busy: FakeSession, limits: BatchLimits
) -> None:
    batcher = Batcher(busy, SIGNATURE, limits)
    first = asyncio.create_task(ask(batcher, 1))
    await started(busy)
    waiting = [asyncio.create_task(ask(batcher, value)) for value in (2, 3)]
    await queued(batcher, 2)
    with pytest.raises(Overloaded) as caught:
        await ask(batcher, 4)
    assert caught.value.retry_after_s
    busy.gate.set()
    assert await outcomes([first, *waiting]) == [[2], [4], [6]]
    assert await ask(batcher, 5) == [10]


@pytest.mark.parametrize("limits", [BatchLimits(max_queued=2), BatchLimits(max_queued_bytes=8)])
async def test_those_who_left_take_no_place_in_a_full_queue(busy: FakeSession, limits: BatchLimits) -> None:
    batcher = Batcher(busy, SIGNATURE, limits)
    first = asyncio.create_task(ask(batcher, 1))
    await started(busy)
    leaving = [asyncio.create_task(ask(batcher, value)) for value in (2, 3)]
    await queued(batcher, 2)
    for each in leaving:
        each.cancel()
    await asyncio.wait(leaving)
    staying = asyncio.create_task(ask(batcher, 4))
    await asyncio.sleep(0)
    busy.gate.set()
    assert await outcomes([first, staying]) == [[2], [8]]


async def test_closing_answers_those_who_wait_and_those_in_the_run(busy: FakeSession) -> None:
    batcher = Batcher(busy, SIGNATURE, BatchLimits())
    running = asyncio.create_task(ask(batcher, 1))
    await started(busy)
    waiting = asyncio.create_task(ask(batcher, 2))
    await queued(batcher, 1)
    batcher.close()
    batcher.close()
    assert [type(each) for each in await outcomes([running, waiting])] == [Unavailable, Unavailable]
    with pytest.raises(Unavailable):
        await ask(batcher, 3)
    busy.gate.set()


async def test_with_a_delay_a_lone_caller_waits_for_company(session: FakeSession) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits(max_rows=2, max_delay_s=5.0))
    first = asyncio.create_task(ask(batcher, 1))
    await queued(batcher, 1)
    assert await outcomes([first, ask(batcher, 2)]) == [[2], [4]]
    assert session.batch_sizes == [2]


async def test_after_the_delay_a_lone_caller_goes_alone(session: FakeSession) -> None:
    batcher = Batcher(session, SIGNATURE, BatchLimits(max_delay_s=0.005))
    answer = await batcher.run(column(1), (), in_s(9))
    assert answer.timing.reason == "delay"


REQUESTS = st.tuples(
    st.lists(st.integers(-9, 9), min_size=1, max_size=5),
    st.sampled_from([(), ("double",), ("square", "double")]),
    st.sampled_from(["stay", "stay", "stay", "leave", "poison"]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(REQUESTS, min_size=1, max_size=12), st.integers(1, 8), st.booleans())
def test_any_mix_of_requests_is_answered_as_if_each_were_alone(
    requests: list[tuple[list[int], tuple[str, ...], str]], max_rows: int, inline: bool
) -> None:
    """Values are unique by sign and order; the poisoned fail alone, and those who leave take nobody along."""

    async def scenario() -> None:
        session = FakeSession(compute)
        session.fail = RuntimeError("poison")
        session.fails = lambda feeds: bool((feeds["x"] == 99).any())
        limits = BatchLimits(max_rows=max_rows, inline_bound_s=60.0 if inline else 0.0)
        batcher = Batcher(session, SIGNATURE, limits)
        tasks: list[asyncio.Task[Answer]] = []
        for values, outputs, fate in requests:
            given_values = [*values, 99] if fate == "poison" else values
            tasks.append(asyncio.create_task(batcher.run(column(*given_values), outputs, in_s(10))))
            if fate == "leave":
                await asyncio.sleep(0)
                tasks[-1].cancel()
        found = await outcomes(tasks)
        for (values, outputs, fate), answer in zip(requests, found, strict=True):
            if fate == "leave":
                continue
            if fate == "poison":
                assert isinstance(answer, ServiceError)
                assert answer.code is Code.INTERNAL
                continue
            assert isinstance(answer, Answer)
            alone = compute(column(*values))
            assert set(answer.outputs) == set(outputs or alone)
            assert all(np.array_equal(array, alone[name]) for name, array in answer.outputs.items())
        batcher.close()

    asyncio.run(scenario())


async def test_the_record_of_a_run_says_where_its_requests_came_from_and_since_when(
    session: FakeSession,
) -> None:
    records: list[BatchRecord] = []
    origins = iter(["first", None, "third"])
    batcher = Batcher(
        session, SIGNATURE, BatchLimits(), on_batch=records.append, origin=lambda: next(origins)
    )
    before_s = time.monotonic()
    await asyncio.gather(ask(batcher, 1), ask(batcher, 2), ask(batcher, 3))
    (record,) = records
    assert [member.origin for member in record.members] == ["first", "third"]
    for member in record.members:
        assert before_s <= member.arrived_at_s <= record.started_at_s <= time.monotonic()


async def test_a_run_that_failed_says_where_its_requests_came_from_too(session: FakeSession) -> None:
    records: list[BatchRecord] = []
    session.fail = RuntimeError("broken")
    batcher = Batcher(session, SIGNATURE, BatchLimits(), on_batch=records.append, origin=lambda: "here")
    await outcomes([ask(batcher, 1)])
    (record,) = records
    assert (record.failed, [member.origin for member in record.members]) == (True, ["here"])
