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
    assert cost.predict(5) == pytest.approx(0.015, rel=0.02)
    assert cost.predict(100) == pytest.approx(0.110, rel=0.02)


def test_sizes_that_hardly_differ_say_little_of_what_a_row_costs() -> None:
    cost = RunCost()
    for rows, seconds in ((30, 0.031), (31, 0.030), (32, 0.029)) * 20:
        cost.observe(rows, seconds)
    assert cost.predict(62) == pytest.approx(0.060, rel=0.2), "the quicker larger ones are chance"
    assert cost.saved(16) == pytest.approx(0.016, rel=0.4)


def test_fewer_rows_are_not_expected_to_cost_less_where_sizes_hardly_differ() -> None:
    cost = RunCost()
    for rows, seconds in ((31, 0.029), (32, 0.031)) * 20:
        cost.observe(rows, seconds)
    assert cost.predict(1) == pytest.approx(0.030, rel=0.2)


def test_rows_save_nothing_where_only_the_run_costs() -> None:
    cost = RunCost()
    assert cost.saved(1) == 0
    for rows in (18, 32) * 20:
        cost.observe(rows, 0.010)
    assert cost.saved(14) < 0.001


def test_old_runs_fade() -> None:
    cost = RunCost()
    cost.observe(1, 1.0)
    for _ in range(200):
        cost.observe(1, 0.001)
    assert cost.predict(1) < 0.002
