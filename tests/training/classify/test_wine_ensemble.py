"""Several networks in one model."""

import json
from pathlib import Path

import numpy as np

from training.classify.wine_ensemble import EnsembleSettings, build


def test_members_differ_from_the_start_and_each_gives_probabilities(tmp_path: Path) -> None:
    (tmp_path / "features.json").write_text(json.dumps(["a", "b"]))
    (tmp_path / "labels.json").write_text(json.dumps(["x", "y", "z"]))
    model = build(EnsembleSettings(members=4), tmp_path)
    answer = model.predict(np.ones((5, 2), np.float32), verbose=0)
    assert answer.shape == (5, 4, 3)
    np.testing.assert_allclose(answer.sum(axis=2), 1.0, rtol=1e-5)
    assert len({tuple(np.round(member, 6)) for member in answer[0]}) == 4


def test_the_same_seed_makes_the_same_members(tmp_path: Path) -> None:
    (tmp_path / "features.json").write_text(json.dumps(["a"]))
    (tmp_path / "labels.json").write_text(json.dumps(["x", "y"]))
    one, other = (build(EnsembleSettings(seed=3), tmp_path).get_weights() for _ in range(2))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
