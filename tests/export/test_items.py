"""The exporter of a model with two inputs and two outputs."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from export import items
from export.recipe import Source
from service.bundle import Predict
from training import atomic


def test_both_inputs_and_both_outputs_are_in_one_signature(source: Source, tmp_path: Path) -> None:
    from training.classify.images_metadata import ItemsSettings, build

    atomic.write_json(tmp_path / "features.json", ["a", "b", "c"])
    atomic.write_json(tmp_path / "labels.json", ["x", "y"])
    rng = np.random.default_rng(1)
    examples = {"image": rng.random((2, 64, 64, 3), np.float32), "numbers": rng.random((2, 3), np.float32)}
    atomic.write_arrays(tmp_path / "examples.npz", examples)
    model = build(ItemsSettings(filters=(4, 4, 4), hidden=8), tmp_path)
    recipe = items.describe(replace(source, model=model, assets=tmp_path))
    assert recipe.task == Predict()
    assert recipe.assets.keys() == {"features.json", "labels.json"}
    (endpoint,) = recipe.endpoints
    assert {each.name: each.shape for each in (*endpoint.inputs, *endpoint.outputs)} == {
        "image": ("batch", 64, 64, 3), "numbers": ("batch", 3), "probabilities": ("batch", 2), "score": ("batch", 1),
    }  # fmt: skip
    told = endpoint.function(examples["image"], examples["numbers"])
    expected = model(examples, training=False)
    for name, value in expected.items():
        np.testing.assert_allclose(told[name], value, rtol=1e-5)
