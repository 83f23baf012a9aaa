"""The job `chat-gru`, from pairs to a complete run, in its smallest profile."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training import job
from training.errors import DataError
from training.generate import chat_gru
from training.generate.chat_gru import JOB, ChatSettings

SMOKE = ChatSettings(profile="smoke", **chat_gru.PROFILES["smoke"])  # type: ignore[arg-type]


def test_it_trains_and_replies_in_seconds(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    data = JOB.load(SMOKE)
    JOB.save_assets(SMOKE, data, tmp_path)
    model = JOB.build(SMOKE, tmp_path)
    JOB.fit(model, SMOKE, data, job.Loop([keras.callbacks.History()]))
    losses = model.history.history["loss"]
    assert losses[-1] < losses[0]
    assert float(model.truth) == pytest.approx(SMOKE.teacher_forcing)
    assert JOB.evaluate(model, SMOKE, data, tmp_path).keys() == {"exact", "questions"}
    assert (tmp_path / "length.png").stat().st_size > 1000
    asked = data.pairs.held_out[0][0].replace("\n", " ")
    assert asked in (tmp_path / "replies.txt").read_text(encoding="utf-8")
    examples = np.load(tmp_path / "examples.npz")["source"]
    assert (examples.dtype, len(examples)) == (np.int32, SMOKE.held_out)


def test_the_truth_fades_in_a_line() -> None:
    settings = SMOKE.model_copy(update={"epochs": 5, "teacher_forcing": 0.6})
    assert [round(chat_gru.truth(epoch, settings), 6) for epoch in range(5)] == [1.0, 0.9, 0.8, 0.7, 0.6]
    assert chat_gru.truth(0, settings.model_copy(update={"epochs": 1})) == pytest.approx(0.6)


def test_padding_has_no_part_in_the_loss() -> None:
    logits = np.random.default_rng(1).normal(size=(1, 3, 7)).astype(np.float32)
    short = chat_gru.cross_entropy(np.array([[4, 5]]), logits[:, :2])
    padded = chat_gru.cross_entropy(np.array([[4, 5, 0]]), logits)
    assert float(short) == pytest.approx(float(padded), rel=1e-6)


def test_pairs_that_are_too_long_are_refused_when_none_is_left() -> None:
    data = JOB.load(SMOKE)
    with pytest.raises(DataError, match="no question and reply have at most 8 pieces"):
        chat_gru.encoded(data, (("word " * 50, "word " * 50),), SMOKE.model_copy(update={"longest": 8}))
