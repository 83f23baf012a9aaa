"""Arrivals of an open loop: a Poisson process, whatever its rate and seed."""

import itertools
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.traffic.arrivals import poisson


@given(st.floats(0.01, 1e5), st.floats(0, 1e6), st.integers())
def test_arrivals_go_forward_from_the_start_and_a_seed_repeats_them(
    rate: float, start_s: float, seed: int
) -> None:
    first, second = (list(itertools.islice(poisson(rate, start_s, Random(seed)), 50)) for _ in range(2))
    assert first == second
    assert all(earlier <= later for earlier, later in itertools.pairwise([start_s, *first]))


def test_gaps_have_the_mean_and_the_spread_of_an_exponential_distribution() -> None:
    rate = 40.0
    times = [0.0, *itertools.islice(poisson(rate, 0.0, Random(1)), 20_000)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(1 / rate, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / rate, rel=0.05)


def test_counts_in_a_second_vary_as_much_as_their_mean_also_when_several_users_are_added() -> None:
    seconds = 2000
    counts = [0] * seconds
    for seed in range(4):
        arrivals = poisson(5.0, 0.0, Random(seed))
        for at_s in itertools.takewhile(lambda at_s: at_s < seconds, arrivals):
            counts[int(at_s)] += 1
    assert statistics.mean(counts) == pytest.approx(20, rel=0.05)
    assert statistics.variance(counts) == pytest.approx(20, rel=0.15)


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        next(poisson(rate, 0.0, Random(1)))
