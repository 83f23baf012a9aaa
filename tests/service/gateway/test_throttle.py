"""One of many alike in each interval."""

from __future__ import annotations

from service.gateway.throttle import Throttle


def test_the_first_is_let_through_and_the_next_one_says_how_many_were_held_back() -> None:
    throttle = Throttle(interval_s=1.0)
    assert throttle.admit("a", 10.0) == 0
    assert throttle.admit("a", 10.5) is None
    assert throttle.admit("a", 10.9) is None
    assert throttle.admit("a", 11.0) == 2
    assert throttle.admit("a", 12.5) == 0


def test_others_are_not_held_back() -> None:
    throttle = Throttle(interval_s=1.0)
    assert throttle.admit("a", 10.0) == 0
    assert throttle.admit("b", 10.0) == 0


def test_a_clock_that_has_just_begun_lets_through() -> None:
    assert Throttle(interval_s=1.0).admit("a", 0.0) == 0


def test_memory_is_bounded() -> None:
    throttle = Throttle(interval_s=1.0, capacity=4)
    for key in range(100):
        assert throttle.admit(key, 0.0) == 0
    assert len(throttle._seen) <= 4
