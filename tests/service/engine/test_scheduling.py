"""Who gets slots, and what running rows are fed."""

from hypothesis import given
from hypothesis import strategies as st

from service.engine.scheduling import admit, plan_steps


def test_sequences_start_in_the_order_in_which_they_came() -> None:
    assert admit([1, 1, 1], free_slots=2) == 2


def test_a_wide_sequence_is_not_overtaken() -> None:
    assert admit([4, 1, 1], free_slots=3) == 0


def test_prompts_are_read_in_a_run_of_their_own() -> None:
    reading, generating = plan_steps([1, 70, 5, 1], chunk=64)
    assert (reading.sequences, reading.tokens) == ((1, 2), (64, 5))
    assert (generating.sequences, generating.tokens) == ((0, 3), (1, 1))


def test_a_graph_of_single_tokens_feeds_everyone_one() -> None:
    (step,) = plan_steps([3, 1, 2], chunk=1)
    assert (step.sequences, step.tokens) == ((0, 1, 2), (1, 1, 1))


@given(st.lists(st.integers(1, 8)), st.integers(0, 16))
def test_admission_never_takes_more_slots_than_are_free(widths: list[int], free: int) -> None:
    count = admit(widths, free)
    assert sum(widths[:count]) <= free
    assert count == len(widths) or sum(widths[: count + 1]) > free


@given(st.lists(st.integers(1, 200)), st.integers(1, 64))
def test_everyone_advances_once_a_round_by_at_most_a_chunk(pending: list[int], chunk: int) -> None:
    steps = plan_steps(pending, chunk)
    fed = dict(pair for step in steps for pair in zip(step.sequences, step.tokens, strict=True))
    assert sorted(fed) == list(range(len(pending)))
    assert sum(len(step.sequences) for step in steps) == len(pending)
    assert all(fed[position] == min(count, chunk) for position, count in enumerate(pending))
