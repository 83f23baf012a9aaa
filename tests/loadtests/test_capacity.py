"""The search for each model's capacity, with trials that are made up."""

import math

import pytest

from loadtests.capacity import Summary, search
from loadtests.traffic.capacity import Bounds

BOUNDS = Bounds(first=50, lowest=1, highest=400, precision=0.1)


def trying(limit: float, lateness_s: float = 0.0) -> tuple[list[str], object]:
    scopes: list[str] = []

    def make(scope: str, rate: float) -> Summary:
        scopes.append(scope)
        return {"met": rate <= limit, "p50_s": rate / 1e4, "p99_s": rate / 1e3, "lateness_p99_s": lateness_s}

    return scopes, make


def test_a_search_tells_the_rate_its_latencies_and_that_the_gateway_was_the_bound() -> None:
    scopes, make = trying(130.0)
    found = search("score boxes oip-grpc", make, BOUNDS, math.inf)  # type: ignore[arg-type]
    assert found.rate == pytest.approx(124, rel=0.1)
    assert (found.p50_s, found.p99_s) == (found.rate / 1e4, found.rate / 1e3)
    assert found.bound_by == "gateway"
    assert set(scopes) == {"score/boxes/oip-grpc"}
    assert found.trials == len(scopes)


@pytest.mark.parametrize(
    ("limit", "lateness_s", "until_s", "bound_by"),
    [
        (130, 10.0, math.inf, "load generator"),
        (math.inf, 0.0, math.inf, "highest rate tried"),
        (130, 0.0, 0.0, "time for the search"),
        (0.1, 0.0, math.inf, "gateway"),
    ],
)
def test_what_else_may_be_the_bound(limit: float, lateness_s: float, until_s: float, bound_by: str) -> None:
    _, make = trying(limit, lateness_s)
    assert search("a b c", make, BOUNDS, until_s).bound_by == bound_by  # type: ignore[arg-type]
