"""The job `english-french`, from pairs to a complete run, in its smallest profile."""

from pathlib import Path

import keras
import numpy as np
import pytest
from tokenizers import Tokenizer

from training import job, settings
from training.errors import DataError, SettingsError
from training.translate import english_french
from training.translate.english_french import JOB, TranslateSettings

SMOKE = TranslateSettings(profile="smoke", **english_french.PROFILES["smoke"])  # type: ignore[arg-type]


def test_it_trains_and_translates_in_seconds(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    data = JOB.load(SMOKE)
    JOB.save_assets(SMOKE, data, tmp_path)
    model = JOB.build(SMOKE, tmp_path)
    JOB.fit(model, SMOKE, data, job.Loop([keras.callbacks.History()]))
    losses = model.history.history["loss"]
    assert losses[-1] < losses[0]
    metrics = JOB.evaluate(model, SMOKE, data, tmp_path)
    assert metrics.keys() == {"bleu", "exact"}
    assert (tmp_path / "length.png").stat().st_size > 1000
    assert data.corpus.held_out.english[0] in (tmp_path / "translations.txt").read_text(encoding="utf-8")
    examples = np.load(tmp_path / "examples.npz")["source"]
    assert examples.dtype == np.int32
    source = Tokenizer.from_file(str(tmp_path / "source.json"))
    assert source.decode([int(i) for i in examples[0] if i > 3]) == data.corpus.held_out.english[0]


def test_padding_has_no_part_in_the_loss() -> None:
    logits = np.random.default_rng(1).normal(size=(1, 3, 7)).astype(np.float32)
    short = english_french.cross_entropy(np.array([[4, 5]]), logits[:, :2], 0.1)
    padded = english_french.cross_entropy(np.array([[4, 5, 0]]), logits, 0.1)
    assert float(short) == pytest.approx(float(padded), rel=1e-6)


def test_sentences_that_are_too_long_are_refused_when_none_is_left() -> None:
    data = JOB.load(SMOKE)
    with pytest.raises(DataError, match="no sentence has at most 8 tokens"):
        english_french.encoded(
            data,
            english_french.Bitext(("word " * 50,), ("mot " * 50,)),
            SMOKE.model_copy(update={"longest": 8}),
        )


def test_the_full_profile_is_the_transformer_of_the_paper_but_for_its_words() -> None:
    full = settings.resolve(JOB, "full")
    assert (full.width, full.heads, full.depth, full.feed_forward) == (512, 8, 6, 2048)
    with pytest.raises(SettingsError, match="width 512 cannot be shared evenly by 7 heads"):
        settings.resolve(JOB, "full", pairs=["heads=7"])
