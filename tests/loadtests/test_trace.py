"""When requests come."""

import random
import statistics

import pytest

from loadtests.generation.trace import Request, long_tailed, poisson

REQUESTS = tuple(Request((number,), 5) for number in range(2000))


def test_arrivals_are_as_frequent_as_asked_and_as_irregular_as_poissons() -> None:
    times = [request.at_s for request in poisson(REQUESTS, rate=50, seed=1)]
    gaps = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert min(gaps) >= 0
    assert statistics.mean(gaps) == pytest.approx(1 / 50, rel=0.1)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.1)  # as its mean, for an exponential


def test_a_seed_fixes_the_trace_and_changes_nothing_else_of_a_request() -> None:
    trace = poisson(REQUESTS, 50, 1)
    assert trace == poisson(REQUESTS, 50, 1) != poisson(REQUESTS, 50, 2)
    assert [request.prompt for request in trace] == [request.prompt for request in REQUESTS]


def test_lengths_are_mixed_and_bounded() -> None:
    rng = random.Random(1)
    lengths = [long_tailed(rng, 40, 200) for _ in range(2000)]
    assert 1 <= min(lengths) < 10
    assert max(lengths) == 200
    assert statistics.median(lengths) == pytest.approx(40, rel=0.1)
