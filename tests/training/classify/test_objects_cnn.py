"""The network for objects, and what it says of pictures that cannot be used."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from training.__main__ import cli
from training.classify.objects_cnn import ObjectsSettings, build


def test_three_blocks_of_two_convolutions_have_their_filters_and_nothing_random_but_dropout(
    tmp_path: Path,
) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(["cat", "dog", "owl"]))
    model = build(ObjectsSettings(), tmp_path)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert [layer.filters for layer in model.layers if hasattr(layer, "kernel_size")] == [
        32,
        32,
        64,
        64,
        128,
        128,
    ]
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.25, 0.25, 0.25, 0.5]
    assert not [kind for kind in kinds if kind.startswith("Random")]
    answer = model.predict(np.random.default_rng(1).random((5, 32, 32, 3)), verbose=0)
    np.testing.assert_allclose(answer.sum(axis=1), np.ones(5), rtol=1e-5)
    assert answer.shape == (5, 3)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "found 0 subfolders, expected one for each of >= 2 classes"),
        ({"only": (8, 8)}, "found 1 subfolders, expected one for each of >= 2 classes"),
        ({"a": (8, 8), "b": (8, 9)}, "expected one size, or --set resize=true"),
    ],
)
def test_a_folder_that_cannot_be_used_ends_in_one_sentence_and_leaves_no_run(
    sizes: dict[str, tuple[int, int]], message: str, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    for name, size in sizes.items():
        (tmp_path / "data" / name).mkdir()
        for index in range(10):
            Image.new("RGB", size).save(tmp_path / "data" / name / f"{index}.png")
    arguments = [
        "objects-cnn",
        "--data",
        str(tmp_path / "data"),
        "--runs",
        str(tmp_path / "runs"),
        "--run",
        "one",
    ]
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr
    assert not list((tmp_path / "runs").glob("*/*"))
