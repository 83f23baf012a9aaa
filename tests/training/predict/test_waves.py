"""A series cut into windows, and what is wrong with a file of the user's own."""

from pathlib import Path

import numpy as np
import pytest

from training.errors import DataError
from training.predict import waves


def test_a_window_is_followed_by_its_next_value() -> None:
    cut = waves.windows(np.arange(6, dtype=np.float32), 3)
    np.testing.assert_array_equal(cut.past[:, :, 0], [[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    np.testing.assert_array_equal(cut.following[:, 0], [3, 4, 5])


def test_the_parts_follow_one_another_in_time() -> None:
    series = np.arange(1000, dtype=np.float32)
    data = waves.split(series, 10, "counted")
    assert data.train.following.max() < data.validation.past.min()
    assert data.validation.following.max() < data.held_out.past.min()
    assert data.held_out.following.max() == 999


def test_the_series_made_here_is_the_same_every_time() -> None:
    np.testing.assert_array_equal(waves.make(), waves.make())


def test_a_column_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("day,value\n" + "\n".join(f"{day},{day / 2}" for day in range(100)))
    np.testing.assert_allclose(waves.read_column(path), np.arange(100) / 2)
    assert waves.read(str(path), 5).source == "column 'value' of series.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day\n1", "expected a column 'value', found day"),
        ("", "expected a header and rows, found 0 lines"),
        ("day,value\n1,2\n2,x", "row 2, column 'value': expected a number, found 'x'"),
        ("day,value\n1", "row 1: expected 2 columns, found 1"),
        ("value\n" + "\n".join("1" for _ in range(20)), "20 values are too few for windows of 5"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        waves.read(str(path), 5)
