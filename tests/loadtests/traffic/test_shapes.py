"""Shapes: the number of users as time passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.traffic import shapes
from loadtests.traffic.shapes import Stage

COUNTS = st.integers(1, 1000)


def test_steps_go_up_one_after_another_and_then_it_is_over() -> None:
    shape = shapes.parse("steps:10,20,40:30s")
    moments = [0, 29.9, 30, 59.9, 60, 89.9, 90]
    assert [shapes.users_at(shape, at_s) for at_s in moments] == [10, 10, 20, 20, 40, 40, None]


def test_a_ramp_goes_straight_from_the_first_to_the_last() -> None:
    shape = shapes.parse("ramp:1..101:100s")
    assert [shapes.users_at(shape, at_s) for at_s in (0, 50, 99.99, 100)] == [1, 51, 101, None]


def test_a_spike_returns_to_where_it_was() -> None:
    shape = shapes.parse("spike:10..200:30s,10s,30s")
    assert [shapes.users_at(shape, at_s) for at_s in (0, 30, 39.9, 40, 69, 70)] == [
        10,
        200,
        200,
        10,
        10,
        None,
    ]


def test_a_soak_keeps_its_users_for_hours() -> None:
    shape = shapes.parse("soak:50:4h")
    assert [shapes.users_at(shape, at_s) for at_s in (0, 4 * 3600 - 1, 4 * 3600)] == [50, 50, None]


@given(st.lists(st.builds(Stage, COUNTS, COUNTS, st.floats(0.1, 1e4)), min_size=1), st.floats(0, 1e6))
def test_users_are_always_between_the_least_and_the_most_until_the_end(
    stages: list[Stage], at_s: float
) -> None:
    shape = tuple(stages)
    users = shapes.users_at(shape, at_s)
    if users is None:
        assert at_s >= sum(stage.seconds for stage in stages) * (1 - 1e-9)
    else:
        assert min(min(each.first, each.last) for each in stages) <= users <= shapes.most_users(shape)


@pytest.mark.parametrize(
    "text",
    [
        "", "steps", "steps:10", "steps:ten:1s", "steps:0:1s", "ramp:1:5s", "ramp:1..2..3:5s", "ramp:1..5:5",
        "spike:1..5:5s", "soak:5:0s", "soak:5:-1s", "wave:1:1s", "soak:1,2:3s",
    ],
)  # fmt: skip
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        shapes.parse(text)
