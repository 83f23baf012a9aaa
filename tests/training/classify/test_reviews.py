"""Where reviews come from, and what is wrong with some of them."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training.__main__ import cli
from training.classify import reviews
from training.errors import DataError

GOOD = [f"film {number} is good,positive" for number in range(20)]
BAD = [f"film {number} is bad,negative" for number in range(20)]


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_csv_is_split_in_parts_that_share_no_text(tmp_path: Path) -> None:
    """Columns that are not asked for are ignored, and a text that comes twice counts once."""
    path = written(
        tmp_path / "rows.csv", "id,Review,sentiment", *(f"{row % 7},{line}" for row, line in enumerate(GOOD + BAD + GOOD[:5]))
    )  # fmt: skip
    data = reviews.read(str(path), made=0)
    assert (data.labels, data.summary.sizes) == (
        ("negative", "positive"),
        {"train": 28, "validation": 4, "held_out": 8},
    )
    texts = [text for part in (data.train, data.validation, data.held_out) for text in part.texts]
    assert len(set(texts)) == 40
    for part in (data.train, data.validation, data.held_out):
        assert [data.labels[each] for each in part.classes] == [
            "positive" if "good" in text else "negative" for text in part.texts
        ]


def test_reviews_that_are_made_are_always_the_same_and_of_both_kinds() -> None:
    first, second = reviews.make(30), reviews.make(30)
    assert first.train.texts == second.train.texts
    assert first.summary.sizes == {"train": 30, "validation": 3, "held_out": 30}
    assert first.train.classes.mean() == pytest.approx(0.5)


def test_imdb_is_spelled_out_and_its_own_test_part_is_held_out() -> None:
    ranks = {"the": 1, "film": 2, **{f"word{number}": number for number in range(3, 60)}}
    known = [[1, 4, 5, 6 + number] for number in range(40)]

    def fetch() -> reviews.Imdb:
        return (known, np.arange(40) % 2), ([[1, 5, 4, 2]], np.array([1])), ranks

    data = reviews.read_imdb(fetch)
    assert data.held_out.texts == ("film the",)
    assert {text.split()[0] for text in data.train.texts} == {"the"}
    assert data.summary.sizes == {"train": 36, "validation": 4, "held_out": 1}


def test_imdb_that_cannot_be_fetched_says_so() -> None:
    def fetch() -> reviews.Imdb:
        raise OSError("no route to host")

    with pytest.raises(DataError, match="imdb cannot be fetched: no route to host"):
        reviews.read_imdb(fetch)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "cannot be read: No such file"),
        (["text,label"], "expected a header and rows, found 1 lines"),
        (["words,label", *GOOD, *BAD], "expected one column 'text' or 'review', found words, label"),
        (["text,review", *GOOD, *BAD], "expected one column 'text' or 'review', found text, review"),
        (["text,verdict", *GOOD, *BAD], "expected one column 'label' or 'sentiment', found text, verdict"),
        (["text,label", *GOOD], "expected at least 2 labels, found 1: positive"),
        (["text,label", *GOOD, *BAD[:3]], "label 'negative' has 3 texts, expected at least 10"),
        (["text,label", *GOOD, "  ,negative"], "row 21, column 'text': expected a text, found nothing"),
        (["text,label", "NaN,negative", *GOOD], "row 1, column 'text': expected a text, found nothing"),
        (["text,label", "bad,", *GOOD], "row 1, column 'label': expected a text, found nothing"),
        (["text,label", "a,b,c", *GOOD], "row 1: expected 2 columns, found 3"),
        (
            ["text,label", *(f"word{row},{'good' if row % 2 else 'bad'}" for row in range(40))],
            "texts of rows.csv: no word occurs 2 times, so there is nothing to learn from",
        ),
    ],
)
@pytest.mark.parametrize("job", ["reviews-bilstm", "reviews-attention"])
def test_bad_data_is_one_sentence_and_leaves_no_run(
    job: str, lines: list[str] | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    if lines is not None:
        written(path, *lines)
    ended = CliRunner().invoke(cli, [job, "--data", str(path), "--runs", str(tmp_path / "runs")])
    assert (ended.exit_code, message in ended.stderr) == (2, True), ended.output
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*/*"))
