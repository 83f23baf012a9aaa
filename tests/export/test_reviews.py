"""Classifiers of texts as bundles: one graph without a loop, whose answers hang on the words alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export import reviews
from export.build import Target, build
from export.errors import RunError
from export.exporters import find
from export.recipe import Source
from service import bundle
from service.bundle import Classify, TextInput


def untrained(name: str, changes: dict[str, object], source: Source, assets: Path) -> Source:
    """Return a run of a job with random weights."""
    from training import jobs
    from training.quiet import import_tensorflow

    import_tensorflow()
    import keras

    keras.utils.set_random_seed(1)
    job = jobs.find(name)
    settings = job.settings.model_validate({"profile": "smoke", **job.profiles["smoke"], **changes})
    job.save_assets(settings, job.load(settings), assets)
    return replace(source, job=name, word=job.word, model=job.build(settings, assets), assets=assets)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("reviews-bilstm", {"keep": "first"}),
        ("reviews-attention", {"attention": "heads"}),
    ],
)
def test_the_graph_has_no_loop_and_padding_changes_nothing(
    name: str, changes: dict[str, object], source: Source, tmp_path: Path
) -> None:
    run = untrained(name, changes, source, _made(tmp_path / "assets"))
    directory = build(run, find(name, "classify")(run), Target(tmp_path / "models", name))
    manifest = bundle.read(directory)
    (parity,) = manifest.parity.values()
    assert (parity.ragged, parity.max_relative < 1e-5) == (True, True)
    operators = {node.op_type for node in onnx.load(directory / manifest.default.file).graph.node}
    assert "LSTM" in operators
    assert not operators & {"Loop", "Scan"}
    task = manifest.task
    assert isinstance(task, Classify)
    assert isinstance(task.accepts, TextInput)
    assert task.accepts.keep == changes.get("keep", "last")
    session = onnxruntime.InferenceSession(directory / manifest.default.file)
    row = np.load(run.assets / "examples.npz")["ids"][:1]
    row = row[:, row[0] != 0]
    names = [output.name for output in session.get_outputs()]

    def answer(left: int, right: int) -> dict[str, Any]:
        ids = np.pad(row, ((0, 0), (left, right))).astype(np.int32)
        found = dict(zip(names, session.run(names, {"ids": ids}), strict=True))
        expected = {key: np.asarray(value) for key, value in run.model(ids).items()}
        for key, value in expected.items():  # the model as it was trained
            np.testing.assert_allclose(found[key], value, atol=1e-5)
        return found

    bare = answer(0, 0)
    for left, right in ((0, 4), (4, 0), (2, 3)):
        padded = answer(left, right)
        np.testing.assert_allclose(padded["probabilities"], bare["probabilities"], atol=1e-6)
        if task.attention is not None:
            np.testing.assert_allclose(
                padded[task.attention][:, left : left + row.shape[1]], bare[task.attention], atol=1e-6
            )


def _made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.slow
def test_a_run_without_its_window_or_with_another_tokenizer_is_refused(
    source: Source, tmp_path: Path
) -> None:
    run = untrained("reviews-bilstm", {}, source, _made(tmp_path / "assets"))
    broken = replace(run, assets=tmp_path / "broken")
    shutil.copytree(run.assets, broken.assets)
    (broken.assets / reviews.WINDOW).unlink()
    with pytest.raises(RunError, match=r"window\.json of the run cannot be read"):
        reviews.describe(broken)
    tokenizer = json.loads((broken.assets / reviews.TOKENIZER).read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"]["another"] = len(tokenizer["model"]["vocab"])
    (broken.assets / reviews.TOKENIZER).write_text(json.dumps(tokenizer), encoding="utf-8")
    with pytest.raises(RunError, match="entries, the model has"):
        reviews.describe(broken)
