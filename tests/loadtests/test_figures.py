"""What is made of the times at which callers got their tokens."""

import pytest

from loadtests.generation.figures import Served, figures, quantile


def served(arrived_at_s: float, *times_s: float) -> Served:
    seen = Served(arrived_at_s)
    for time_s in times_s:
        seen.tell(1, time_s)
    return seen


def test_a_run_lasts_from_the_first_arrival_to_the_last_token() -> None:
    found = figures([served(10.0, 10.1, 10.2), served(11.0, 11.5, 12.0)], cpu_s=0.5)
    assert (found.tokens_per_s, found.tokens_per_cpu_s) == pytest.approx((4 / 2, 8))


def test_waits_are_of_the_first_token_and_between_tokens() -> None:
    found = figures([served(0.0, 0.1, 0.13, 0.18), served(0.0, 0.3)], cpu_s=1)
    assert (found.first_p50_ms, found.first_p99_ms) == pytest.approx((300, 300))
    assert (found.between_p50_ms, found.between_p99_ms) == pytest.approx((50, 50))


@pytest.mark.parametrize(
    ("seen", "well"),
    [
        (served(0.0, 0.1, 0.14), True),
        (served(0.0, 0.3, 0.34), False),
        (served(0.0, 0.1, 0.2), False),
        (served(0.0, 0.1), True),
    ],
)
def test_good_means_both_bounds(seen: Served, well: bool) -> None:
    assert seen.well is well


def test_quantiles() -> None:
    values = [float(value) for value in range(100)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([], 0.5)) == (50, 99, 0)
