import numpy as np
import pytest

from service.protocols.oip.classification import best


def test_each_row_has_its_own_best() -> None:
    rows = np.array([[0.25, 0.5, 0.25], [1, 0, 0]], np.float32)
    found = best(rows, 2, batched=True, labels=("a", "b"))
    assert found.tolist() == [["0.500000:1:b", "0.250000:0:a"], ["1.000000:0:a", "0.000000:1:b"]]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_whole_numbers_have_no_point_and_the_first_of_equals_is_first(dtype: str) -> None:
    found = best(np.array([0, 1, 1], dtype), 9, batched=False, labels=())
    assert found.tolist() == ["1:1", "1:2", "0:0"]


def test_no_rows_give_no_classes() -> None:
    assert best(np.zeros((0, 3), np.float32), 2, batched=True, labels=()).shape[0] == 0
