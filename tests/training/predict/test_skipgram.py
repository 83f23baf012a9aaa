"""Which pairs skip-gram learns from."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training.__main__ import cli
from training.predict import skipgram
from training.predict.prose_word2vec import among
from training.predict.skipgram import Draws


def test_pairs_stay_within_a_sentence_and_a_window() -> None:
    rng = np.random.default_rng(0)
    found = {
        tuple(pair) for _ in range(50) for pair in skipgram.pairs([[2, 3, 4], [], [5, 6]], 2, rng).tolist()
    }
    assert found == {(2, 3), (3, 2), (3, 4), (4, 3), (2, 4), (4, 2), (5, 6), (6, 5)}


def test_the_nearer_of_two_words_is_paired_more_often() -> None:
    rng = np.random.default_rng(0)
    found = np.concatenate([skipgram.pairs([[2, 3, 4]], 2, rng) for _ in range(400)]).tolist()
    assert found.count([2, 3]) == 400
    assert 140 < found.count([2, 4]) < 260


def test_frequent_words_are_thinned_and_rare_ones_are_not() -> None:
    rows = [[2] * 900 + [3] * 100] * 10
    counts = np.array([0, 0, 9000, 1000])
    thin = skipgram.thinned(rows, counts, 0.1, np.random.default_rng(0))
    kept = np.bincount([each for row in thin for each in row], minlength=4)
    assert kept[2] / 9000 == pytest.approx((0.1 / 0.9) ** 0.5, rel=0.1)
    assert kept[3] == 1000


def test_words_are_drawn_by_their_smoothed_counts() -> None:
    drawn = Draws.of(np.array([0, 0, 1, 16]))((20_000,), np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=4) / 20_000
    np.testing.assert_allclose(shares, [0, 0, 1 / 9, 8 / 9], atol=0.01)


def test_the_true_neighbour_is_the_first() -> None:
    pairs = np.array([[2, 3], [3, 2]], np.int32)
    inputs, truth = among(pairs, Draws.of(np.array([0, 0, 0, 0, 1])), 2, np.random.default_rng(0))
    assert inputs["word"].tolist() == [2, 3]
    assert inputs["others"].tolist() == [[3, 4, 4], [2, 4, 4]]
    assert truth.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_text_of_the_users_own_is_cut_into_sentences(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    colours = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "violet", "orange"]
    lines = [
        f"The {colour} house number {number} stands\nthere. " for number in range(30) for colour in colours
    ]
    path.write_text("".join(lines), encoding="utf-8")
    corpus = skipgram.read(str(path), 0, vocabulary=100, fewest=5)
    assert corpus.summary.sizes == {"train": 270, "validation": 15, "held_out": 15}
    known = set(corpus.tokenizer.get_vocab())
    assert {"red", "house", "stands"} < known
    assert all(len(row) >= 5 for row in corpus.train)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("", "found 0 of them, expected at least 100"),
        ("Too short. ", "found 1 of them, expected at least 100"),
        (" ".join(f"word{number} alone{number}." for number in range(200)), "found 1 words that occur 5 times"),
        ("zero\0byte", "holds a zero byte"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_text_is_one_sentence_and_leaves_no_run(
    text: str | bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = CliRunner().invoke(cli, ["prose-word2vec", "--data", str(path), "--runs", str(tmp_path / "runs")])
    assert (ended.exit_code, message in ended.stderr) == (2, True), ended.output
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*/*"))
