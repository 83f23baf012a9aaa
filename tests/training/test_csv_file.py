"""A CSV file of the user's own: what is read of it, and what is said of one that cannot be."""

from pathlib import Path

import pytest

from training import csv_file
from training.errors import DataError


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_mark_at_the_beginning_blank_lines_and_spaces_around_names_are_no_part_of_it(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "rows.csv", b"\xef\xbb\xbf a , b\n1,2\n\n3,4\n")
    assert csv_file.read_lines(path) == (["a", "b"], [["1", "2"], ["3", "4"]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a header and rows, found 0 lines"),
        (b"a,b\n", "expected a header and rows, found 1 lines"),
        (b"a,,c\n1,2,3\n", "column '' of the header is empty or occurs twice"),
        (b"a,b\n1\n", "row 1: expected 2 columns, found 1"),
        (b"a,b\n\xff,1\n", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        csv_file.read_lines(written(tmp_path / "rows.csv", data))


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e39"])
def test_only_finite_numbers_of_32_bits_are_numbers(text: str) -> None:
    with pytest.raises(DataError, match=r"rows\.csv: row 3, column 'b': expected a (finite )?number"):
        csv_file.number(["1", text], 1, ["a", "b"], Path("rows.csv"), 3)
    assert csv_file.number(["1", " 2.5 "], 1, ["a", "b"], Path("rows.csv"), 3) == 2.5
