"""The job `prose-lstm`, from text to a complete run, in its smallest profile."""

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from training import job
from training.__main__ import cli
from training.errors import DataError
from training.generate import prose_lstm
from training.generate.prose_lstm import JOB, ProseSettings

SMOKE = ProseSettings(profile="smoke", **prose_lstm.PROFILES["smoke"])  # type: ignore[arg-type]


def test_it_trains_and_writes_in_seconds(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    data = JOB.load(SMOKE)
    JOB.save_assets(SMOKE, data, tmp_path)
    model = JOB.build(SMOKE, tmp_path)
    JOB.fit(model, SMOKE, data, job.Loop([keras.callbacks.History()]))
    losses = model.history.history["loss"]
    assert losses[-1] < losses[0]
    metrics = JOB.evaluate(model, SMOKE, data, tmp_path)
    assert 0 < metrics["bits_per_character"] < math.log2(len(data.vocabulary)) + 0.1
    assert len((tmp_path / "page.txt").read_text(encoding="utf-8")) > 800
    assert (tmp_path / "context.png").stat().st_size > 1000
    assert (tmp_path / "sampling.png").stat().st_size > 1000
    table = (tmp_path / "sampling.txt").read_text(encoding="utf-8")
    assert all(f"| {name} |" in table for name, _ in prose_lstm.WAYS)
    assert json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8")) == list(data.vocabulary)
    examples = np.load(tmp_path / "examples.npz")
    assert examples["ids"].shape == (32, SMOKE.window)
    assert (examples["ids"][0, 1:] == 0).all()
    assert list(examples["lengths"][[0, -1]]) == [1, SMOKE.window]


def test_windows_are_neighbours_that_share_one_character() -> None:
    ids = np.arange(10, dtype=np.int32)
    assert prose_lstm.windows(ids, 4).tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]


def test_a_uniform_model_needs_log2_of_its_vocabulary_in_bits() -> None:
    inputs = keras.Input((None,), dtype="int32")
    zeros = keras.layers.Embedding(8, 8, embeddings_initializer="zeros")(inputs)
    rows = np.array([[1, 2, 3, 4, 5]], np.int32)
    bits = prose_lstm.bits_per_character(keras.Model(inputs, zeros), rows)
    np.testing.assert_allclose(bits, np.full((1, 4), 3.0), atol=1e-6)


def test_a_text_too_short_for_its_windows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text("".join(f"word{i} " for i in range(900)), encoding="utf-8")
    with pytest.raises(DataError, match="too short for windows of 1024"):
        JOB.load(SMOKE.model_copy(update={"data": str(path), "window": 1024}))


def test_the_table_tells_how_much_is_repeated() -> None:
    table = prose_lstm.table_of({"greedy": ["a b c d a b c d", "a | b c d e f"]})
    assert "| greedy | 0.100 | 0.750 | a b c d a b c d |" in table


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"", "has 0 characters"), (b"\xff" * 9000, "is not UTF-8")],
)
def test_a_bad_text_is_one_sentence_and_leaves_no_run(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    ended = CliRunner().invoke(cli, ["prose-lstm", "--data", str(path), "--runs", str(tmp_path / "runs")])
    assert (ended.exit_code, message in ended.stderr) == (2, True), ended.output
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*/*"))
