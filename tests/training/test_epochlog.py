"""The CSV of epochs."""

from pathlib import Path

from training import epochlog


def test_rows_come_back_and_columns_that_appear_later_fit(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "bleu": 9.0}]
    epochlog.write(path, rows)
    assert path.read_text() == "epoch,bleu,loss\n1,,0.5\n2,9.0,0.25\n"
    assert epochlog.read(path) == rows


def test_no_log_has_no_rows(tmp_path: Path) -> None:
    assert epochlog.read(tmp_path / "log.csv") == []
