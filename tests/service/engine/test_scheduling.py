"""Who starts, who yields, what is read, and where rows lie."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from service.engine.block import fits, room_for
from service.engine.scheduling import (
    LOT_ROUNDS,
    Claim,
    Space,
    arrange,
    held_back,
    plan_reading,
    starts,
    staying,
)

SPACE = Space(slots=8, limit_bytes=1000, row_bytes=10, token_bytes=1, room_step=32)
CLAIMS = st.lists(st.builds(Claim, st.integers(1, 4), st.integers(1, 100)), max_size=8)
SPACES = st.builds(
    Space, st.integers(1, 12), st.none() | st.integers(0, 5000), st.integers(0, 50), st.integers(0, 5)
)


def test_a_sequence_takes_all_its_rows_or_none() -> None:
    assert starts(Space(4), [Claim(2, 1)], Claim(2, 1))
    assert not starts(Space(4), [Claim(2, 1)], Claim(3, 1))


def test_every_row_takes_as_much_room_as_the_longest() -> None:
    assert SPACE.taken([Claim(1, 32)]) == 10 + 32
    assert SPACE.taken([Claim(1, 16), Claim(2, 33)]) == 3 * (10 + 64)


def test_who_starts_beside_others_leaves_them_room_to_grow() -> None:
    space = Space(slots=2, limit_bytes=2 * 32, token_bytes=1, room_step=32)
    assert space.holds([Claim(1, 17), Claim(1, 17)])
    assert starts(space, [Claim(1, 16)], Claim(1, 16))
    assert not starts(space, [Claim(1, 17)], Claim(1, 17))
    assert starts(space, [], Claim(1, 60))


def test_free_slots_wait_for_a_lot_of_them_only_while_more_wait_and_not_for_long() -> None:
    space = Space(32)
    assert held_back(space, taken=25, waiting=9, rounds=0)
    assert not held_back(space, taken=24, waiting=9, rounds=0), "eight are a quarter of all"
    assert not held_back(space, taken=29, waiting=3, rounds=0), "all who wait can start"
    assert not held_back(space, taken=29, waiting=9, rounds=LOT_ROUNDS)
    assert not held_back(space, taken=0, waiting=99, rounds=0)
    assert not held_back(Space(4), taken=3, waiting=9, rounds=0), "of few slots each is a lot"


def test_the_last_yield_until_the_rest_fit() -> None:
    space = Space(slots=8, limit_bytes=128, token_bytes=1, room_step=32)
    assert staying(space, [Claim(1, 32)] * 4) == 4
    assert staying(space, [Claim(1, 33)] * 4) == 2
    assert staying(space, [Claim(1, 100), Claim(1, 1)]) == 1


def test_prompts_are_read_in_chunks_and_no_more_than_a_run_may_feed() -> None:
    assert plan_reading([Claim(1, 70), Claim(1, 5)], chunk=64, most=256) == (64, 5)
    assert plan_reading([Claim(1, 70)] * 5, chunk=64, most=256) == (64,) * 4
    assert plan_reading([Claim(8, 70)], chunk=64, most=256) == (64,)


def test_rows_stay_where_they_are_if_they_can() -> None:
    # Slot 1 has become free: the last row of the same section fills it, nobody else moves.
    assert arrange([[0, 2, 3], [4]]) == ((0, 2, 1), (3,))
    assert arrange([[0, 1], [2]]) == ((0, 1), (2,))


@given(SPACES, CLAIMS, st.builds(Claim, st.integers(1, 4), st.integers(1, 100)))
def test_who_starts_fits_with_everyone(space: Space, running: list[Claim], claim: Claim) -> None:
    if starts(space, running, claim):
        assert space.holds([*running, claim])


@given(SPACES, CLAIMS)
def test_who_stays_fits_and_the_first_always_stays(space: Space, running: list[Claim]) -> None:
    count = staying(space, running)
    assert count >= min(1, len(running))
    assert count <= 1 or space.holds(running[:count])
    assert count == len(running) or not space.holds(running[: count + 1])


@given(CLAIMS, st.integers(1, 64), st.integers(1, 300))
def test_a_reading_run_keeps_its_bounds_and_somebody_reads(
    claims: list[Claim], chunk: int, most: int
) -> None:
    counts = plan_reading(claims, chunk, most)
    assert len(counts) >= min(1, len(claims))
    assert all(1 <= count <= min(claim.tokens, chunk) for count, claim in zip(counts, claims, strict=False))
    rows = sum(claim.rows for claim in claims[: len(counts)])
    assert len(counts) <= 1 or rows * max(counts) <= most


@given(st.data())
def test_sections_lie_side_by_side_and_as_many_as_can_stay(data: st.DataObject) -> None:
    slots = data.draw(st.lists(st.integers(0, 30), unique=True, max_size=12))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(slots)), min_size=2, max_size=2)))
    sections = [slots[: cuts[0]], slots[cuts[0] : cuts[1]], slots[cuts[1] :]]
    arranged = arrange(sections)
    assert sorted(itertools.chain(*arranged)) == list(range(len(slots)))
    start = 0
    for section, placed in zip(sections, arranged, strict=True):
        span = range(start, start + len(section))
        assert sorted(placed) == list(span)
        assert all(now == before for before, now in zip(section, placed, strict=True) if before in span)
        start = span.stop


@given(st.integers(1, 10_000), st.sampled_from((8, 32)))
def test_room_is_enough_and_at_most_a_step_or_a_quarter_too_much(count: int, step: int) -> None:
    room = room_for(count, step)
    assert count <= room < max(count + step, count * 1.25)
    assert room % step == 0
    assert room_for(room, step) == room


@given(st.integers(1, 10_000), st.sampled_from((8, 32)))
def test_room_is_given_back_only_when_a_third_would_do(count: int, step: int) -> None:
    room = room_for(count, step)
    assert fits(room, room)
    assert fits(room // 3 + 1, room)
    assert not fits(room // 3, room)
    assert not fits(room + 1, room)
