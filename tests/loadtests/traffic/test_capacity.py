"""The search for the highest rate: it finds what there is, within its bounds, and ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.traffic.capacity import Bounds, Found, Trial, best, markdown, next_rate

BOUNDS = Bounds(first=50, lowest=1, highest=10_000, precision=0.1)


def searched(limit: float, bounds: Bounds = BOUNDS) -> list[Trial]:
    """Return the trials of a search where every rate up to `limit` is met."""
    trials: list[Trial] = []
    while (rate := next_rate(trials, bounds)) is not None:
        trials.append(Trial(rate, rate <= limit))
        assert len(trials) < 40
    return trials


@given(st.floats(1, 9_000))
def test_the_rate_found_is_met_and_a_tenth_more_is_not(limit: float) -> None:
    found = best(searched(limit))
    assert found is not None
    assert found <= limit <= found * 1.1 * (1 + 1e-9)


def test_it_ends_at_its_bounds() -> None:
    assert best(searched(math.inf)) == BOUNDS.highest
    assert best(searched(0.5)) is None
    assert searched(0.5)[-1].rate == BOUNDS.lowest


@given(st.lists(st.booleans(), max_size=30))
def test_it_ends_whatever_the_noise_and_never_praises_a_rate_above_one_that_was_missed(
    luck: list[bool],
) -> None:
    trials: list[Trial] = []
    for met in [*luck, *[False] * 40]:
        rate = next_rate(trials, BOUNDS)
        if rate is None:
            break
        assert BOUNDS.lowest <= rate <= BOUNDS.highest
        trials.append(Trial(rate, met))
    else:
        pytest.fail("it did not end")
    found = best(trials)
    assert found is None or all(trial.met for trial in trials if trial.rate <= found)


@pytest.mark.parametrize("rates", [(5, 10, 100), (0.5, 1, 0.9), (1, 0, 5)])
def test_bounds_must_be_in_order(rates: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="lowest <= first <= highest"):
        Bounds(*rates)


def test_the_table_has_a_row_for_each_search() -> None:
    table = markdown(
        [
            Found("score boxes oip-grpc", 1234.5, 0.0021, 0.04, "gateway", 9),
            Found("a b c", None, None, None, "x", 3),
        ],
        "p99=50ms",
        5,
    )
    assert "| score | boxes | oip-grpc | 1,234 | 2.1 ms | 40 ms | gateway | 9 |" in table
    assert "| a | b | c | none |  |  | x | 3 |" in table
    assert "`p99=50ms`; trials of 5 s" in table
