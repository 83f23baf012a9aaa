"""The plan of the next batch."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from service.engine.batching import BatchLimits, plan


@dataclass
class Waiting:
    rows: int
    key: str | None = "k"
    length: int = 0
    arrived_at_s: float = 0.0


def test_an_empty_queue_runs_nothing() -> None:
    assert plan([], 1.0, BatchLimits()).take == ()


def test_what_is_queued_goes_at_once_by_default() -> None:
    decision = plan([Waiting(1), Waiting(2)], 0.0, BatchLimits(max_rows=8))
    assert (decision.take, decision.reason) == ((0, 1), "idle")


def test_a_full_batch_leaves_the_rest_in_the_queue() -> None:
    decision = plan([Waiting(3), Waiting(1), Waiting(2)], 0.0, BatchLimits(max_rows=4))
    assert (decision.take, decision.reason) == ((0, 1), "full")


def test_a_request_larger_than_the_limit_runs_alone() -> None:
    assert plan([Waiting(9), Waiting(1)], 0.0, BatchLimits(max_rows=4)).take == (0,)


def test_only_requests_that_agree_share_a_run() -> None:
    queue = [Waiting(1, "a"), Waiting(1, "b"), Waiting(1, "a")]
    assert plan(queue, 0.0, BatchLimits()).take == (0, 2)


def test_of_more_than_there_is_room_for_those_about_as_long_as_the_oldest_go_with_it() -> None:
    queue = [Waiting(1, length=length) for length in (10, 16, 9, 12, 10, 16)]
    assert plan(queue, 0.0, BatchLimits(max_rows=3)).take == (0, 2, 4)
    assert plan(queue, 0.0, BatchLimits(max_rows=6)).take == (0, 1, 2, 3, 4, 5)
    far = [*queue, *[Waiting(1, length=16)] * 30, Waiting(1, length=10)]
    assert plan(far, 0.0, BatchLimits(max_rows=2)).take == (0, 4), "not for ever is looked for"


def test_a_request_without_a_key_shares_with_nobody() -> None:
    decision = plan([Waiting(1, None), Waiting(1, None)], 0.0, BatchLimits())
    assert (decision.take, decision.reason) == ((0,), "alone")


def test_with_a_delay_the_oldest_waits_that_long_and_no_longer() -> None:
    limits = BatchLimits(max_rows=4, max_delay_s=1.0)
    early = plan([Waiting(1, arrived_at_s=10.0)], 10.25, limits)
    assert (early.take, early.wait_s) == ((), 0.75)
    late = plan([Waiting(1, arrived_at_s=10.0)], 11.0, limits)
    assert (late.take, late.reason) == ((0,), "delay")


def test_a_full_batch_does_not_wait_for_its_delay() -> None:
    limits = BatchLimits(max_rows=2, max_delay_s=1.0)
    assert plan([Waiting(1), Waiting(1)], 0.0, limits).reason == "full"


@given(
    st.lists(
        st.builds(
            Waiting, rows=st.integers(1, 9), key=st.sampled_from(["a", "b", None]), length=st.integers(1, 9)
        )
    ),
    st.integers(1, 12),
)
def test_every_plan_takes_the_oldest_and_keeps_the_limit_and_the_order(
    queue: list[Waiting], max_rows: int
) -> None:
    take = plan(queue, 0.0, BatchLimits(max_rows=max_rows)).take
    assert bool(take) is bool(queue)
    if take:
        assert take[0] == 0
        assert list(take) == sorted(set(take))
        assert {queue[position].key for position in take} == {queue[0].key}
        assert len(take) == 1 or sum(queue[position].rows for position in take) <= max_rows
