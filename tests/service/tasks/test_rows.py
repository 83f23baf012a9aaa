"""Rows by position and by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.errors import Invalid
from service.tasks.rows import FeatureRows

ROWS = FeatureRows(("radius", "area"), "float32")


def test_rows_by_position_and_by_name_may_be_mixed() -> None:
    rows: list[Any] = [[1, 2.5], {"area": 4, "radius": 3.0}, (5, 6), np.array([7.0, 8.0])]
    array = ROWS(rows, lambda row: f"rows[{row}]")
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2.5], [3, 4], [5, 6], [7, 8]]


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ([1], "rows[1]", "expected 2 numbers, got 1"),
        ([1, 2, 3], "rows[1]", "expected 2 numbers, got 3"),
        ([], "rows[1]", "expected 2 numbers, got 0"),
        ("ab", "rows[1]", "expected a list of numbers or an object from names to numbers, got a string"),
        ({"radius": 1}, "rows[1].area", "missing feature 'area'; expected radius, area"),
        ({"radius": 1, "area": 2, "colour": 3}, "rows[1].colour", "unknown feature 'colour'"),
        ([1, float("nan")], "rows[1].area", "feature 'area': expected a finite number that fits float32"),
        ([float("inf"), 1], "rows[1].radius", "feature 'radius': expected a finite number"),
        ([1, 1e39], "rows[1].area", "feature 'area': expected a finite number that fits float32"),
        ([1, 10**400], "rows[1].area", "feature 'area': expected a finite number that fits float32"),
        ([1, "2"], "rows[1].area", "feature 'area': expected a number, got a string"),
        ([1, True], "rows[1].area", "feature 'area': expected a number, got a boolean"),
        ({"radius": None, "area": 2}, "rows[1].radius", "feature 'radius': expected a number, got null"),
        ([1, [2]], "rows[1].area", "feature 'area': expected a number, got a list"),
    ],
)
def test_a_row_that_has_not_one_number_for_each_feature_is_refused(
    row: Any, field: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        ROWS([[1, 2], row], lambda row: f"rows[{row}]")
    assert caught.value.field == field
