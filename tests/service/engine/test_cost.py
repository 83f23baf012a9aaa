"""Predicting how long a run takes."""

import math

import pytest

from service.engine.cost import RunCost


def test_nothing_is_promised_before_the_first_run() -> None:
    assert RunCost().predict(1) == math.inf


def test_one_batch_size_is_extended_in_proportion() -> None:
    cost = RunCost()
    cost.observe(2, 0.010)
    assert cost.predict(4) == pytest.approx(0.020)
    assert cost.predict(1) == pytest.approx(0.010)


def test_two_sizes_make_a_line_with_a_fixed_part() -> None:
    cost = RunCost()
    for _ in range(10):
        cost.observe(1, 0.011)
        cost.observe(10, 0.020)
    assert cost.predict(5) == pytest.approx(0.015)
    assert cost.predict(100) == pytest.approx(0.110)


def test_old_runs_fade() -> None:
    cost = RunCost()
    cost.observe(1, 1.0)
    for _ in range(200):
        cost.observe(1, 0.001)
    assert cost.predict(1) < 0.002
