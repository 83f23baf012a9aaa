"""Rows from scikit-learn and from CSV files, and what is said of those that cannot be used."""

from pathlib import Path

import numpy as np
import pytest

from training.errors import DataError
from training.score import rows


def write_csv(path: Path, header: str, *lines: str) -> str:
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


def test_only_benign_tumours_are_trained_on() -> None:
    data = rows.read(None)
    assert data.summary.sizes == {
        "train": 225, "validation": 25, "held_out_normal": 107, "held_out_anomalous": 212,
    }  # fmt: skip
    assert (len(data.features), data.features[0]) == (30, "mean radius")
    known = {row.tobytes() for row in np.concatenate([data.train, data.validation])}
    assert not any(row.tobytes() in known for row in data.held_out)


@pytest.mark.parametrize(
    ("label", "normal", "anomalous"),
    [("label", "benign", "malignant"), ("Diagnosis", "B", "M"), ("label", "0", "1")],
)
def test_a_csv_is_read_in_each_spelling(label: str, normal: str, anomalous: str, tmp_path: Path) -> None:
    lines = [f"{i},{i}.5,{anomalous if i >= 30 else normal},-1e3" for i in range(35)]
    data = rows.read(write_csv(tmp_path / "mine.csv", f"id,size,{label},depth", *lines))
    assert data.features == ("size", "depth")
    assert data.summary.source == "rows of mine.csv"
    assert sorted(data.held_out[data.anomalous, 0]) == [30.5, 31.5, 32.5, 33.5, 34.5]
    assert data.summary.sizes == {
        "train": 19, "validation": 2, "held_out_normal": 9, "held_out_anomalous": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("a,b,label", "1,x,0", r"row 1, column 'b': expected a number, found 'x'"),
        ("a,b,label", "1,nan,0", r"row 1, column 'b': expected a finite number, found 'nan'"),
        ("a,b,label", "1,,0", r"row 1, column 'b': expected a number, found ''"),
        ("a,b,label", "1,1e39,0", r"row 1, column 'b': expected a finite number"),
        (
            "a,b,label",
            "1,2,maybe",
            r"row 1, column 'label': expected benign, malignant, 0 or 1, found 'maybe'",
        ),
        ("a,b,label", "1,2", r"row 1: expected 3 columns, found 2"),
        (
            "a,b,c",
            "1,2,0",
            r"expected one column called label or diagnosis \(without labels, a column called time\), found a, b, c",
        ),
        ("a,label,diagnosis", "1,0,0", r"expected one column called label or diagnosis"),
        ("a,a,label", "1,2,0", r"column 'a' of the header is empty or occurs twice"),
        ("a,label", "1,0", r"expected at least 2 features, found 1"),
    ],
)
def test_a_mistake_is_named_with_row_and_column(header: str, line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        rows.read(write_csv(tmp_path / "mine.csv", header, line))


def test_too_few_normal_rows_are_counted(tmp_path: Path) -> None:
    lines = ["1,2,0"] * 19 + ["1,2,1"]
    with pytest.raises(DataError, match=r"at least 20 normal rows and 1 anomalous one, found 19 and 1"):
        rows.read(write_csv(tmp_path / "mine.csv", "a,b,label", *lines))


def test_a_file_that_is_none_or_empty_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        rows.read(str(tmp_path / "absent.csv"))
    with pytest.raises(DataError, match="expected a header and rows, found 1 lines"):
        rows.read(write_csv(tmp_path / "mine.csv", "a,b,label"))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot be read: .*utf-8"):
        rows.read(str(tmp_path / "bytes.csv"))


def test_some_anomalous_rows_may_be_known_and_are_not_held_out_then() -> None:
    data = rows.read(None, known=0.3)
    assert data.summary.sizes == {
        "train": 225, "validation": 25, "known_anomalous": 63, "held_out_normal": 107, "held_out_anomalous": 149,
    }  # fmt: skip
    known = {row.tobytes() for row in data.known_anomalous}
    assert not any(row.tobytes() in known for row in data.held_out)


def stream(path: Path, count: int, *anomalous: int, labels: bool = True) -> str:
    """Write a stream whose first feature is the time; the rows `anomalous` are so."""
    lines = [f"{row},{row},{row}.5" + (f",{int(row in anomalous)}" if labels else "") for row in range(count)]
    return write_csv(path / "mine.csv", "Time,a,b" + (",label" if labels else ""), *lines)


def test_a_stream_is_split_in_its_own_order(tmp_path: Path) -> None:
    data = rows.read(stream(tmp_path, 100, 5, 65, 75, 99), known=0.3)
    assert data.features == ("a", "b")
    assert data.summary.source == "rows of mine.csv, in order of time"
    assert data.train[:, 0].tolist() == [row for row in range(60) if row != 5]
    assert data.validation[:, 0].tolist() == [row for row in range(60, 70) if row != 65]
    assert data.known_anomalous[:, 0].tolist() == [5, 65]
    assert data.held_out[:, 0].tolist() == list(range(70, 100))
    assert data.anomalous is not None
    assert data.held_out[data.anomalous, 0].tolist() == [75, 99]


def test_a_stream_needs_no_labels(tmp_path: Path) -> None:
    data = rows.read(stream(tmp_path, 100, labels=False))
    assert data.anomalous is None
    assert data.summary.sizes == {"train": 60, "validation": 10, "held_out": 30}


@pytest.mark.parametrize(
    ("count", "anomalous", "labels", "known", "message"),
    [
        (100, (5,), True, 0.0, "normal and anomalous rows in the last 30 %, found one kind alone"),
        (100, (80,), True, 0.3, "an anomalous row before the held-out ones, found none"),
        (100, (), False, 0.3, "an anomalous row before the held-out ones, found none"),
        (30, (29,), True, 0.0, "20 normal rows in the first 60 % and 1 in the next 10 %, found 18 and 3"),
        (100, tuple(range(60, 71)), True, 0.0, "found 60 and 0"),
    ],
)  # fmt: skip
def test_a_stream_that_cannot_be_used_says_why(
    count: int, anomalous: tuple[int, ...], labels: bool, known: float, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        rows.read(stream(tmp_path, count, *anomalous, labels=labels), known=known)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 anomalous one, found 40 and 0"):
        rows.read(write_csv(tmp_path / "mine.csv", "a,b,label", *["1,2,0"] * 40))
