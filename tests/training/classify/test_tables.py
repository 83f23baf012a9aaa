"""Rows with labels: from a file of the user's own, and split."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine

from training.classify import tables
from training.errors import DataError


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def many(label: str, count: int = 12) -> list[str]:
    return [f"{number},{number * 2},{label}" for number in range(count)]


def test_a_file_becomes_three_parts_that_share_no_row_and_have_every_label(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", "a,b,label", *many("yes", 40), *many("no", 20))
    table = tables.read_csv(path)
    assert (table.features, table.labels) == (("a", "b"), ("no", "yes"))
    assert sum(table.summary.sizes.values()) == 60
    for part in (table.train, table.validation, table.held_out):
        assert set(part.classes) == {0, 1}
        np.testing.assert_array_equal(part.values[:, 1], part.values[:, 0] * 2)


def test_parts_are_the_same_every_time() -> None:
    one, other = (tables.of_set(load_wine(), "wine") for _ in range(2))
    np.testing.assert_array_equal(one.held_out.values, other.held_out.values)
    assert len(one.train) + len(one.validation) + len(one.held_out) == 178


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,b"], "expected a header and rows"),
        (["a,b,c", "1,2,3"], "expected a column 'label'"),
        (["a,a,label", "1,2,x"], "column 'a' of the header is empty or occurs twice"),
        (["a,b,label", "1,2"], "row 1: expected 3 columns, found 2"),
        (["a,b,label", "1,two,x"], "row 1, column 'b': expected a number, found 'two'"),
        (["a,b,label", "1,nan,x"], "row 1, column 'b': expected a finite number, found 'nan'"),
        (["a,b,label", *many("x")], "expected at least 2 labels, found 1: x"),
        (["a,b,label", *many("x"), *many("y", 3)], "label 'y' has 3 rows, expected at least 10"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tables.read_csv(written(tmp_path / "rows.csv", *rows))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: cannot be read: No such file"):
        tables.read_csv(tmp_path / "absent.csv")
