"""Classifiers of texts as bundles: one graph without a loop, whose answers hang on the words alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

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

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A run of `reviews-attention` with random weights."""
    from training.classify.reviews_attention import JOB, AttentionSettings
    from training.quiet import import_tensorflow

    import_tensorflow()
    import keras

    keras.utils.set_random_seed(1)
    changes = {"profile": "smoke", "attention": "heads", "keep": "first"}
    settings = AttentionSettings.model_validate({**JOB.profiles["smoke"], **changes})
    assets = tmp_path_factory.mktemp("assets")
    JOB.save_assets(settings, JOB.load(settings), assets)
    return replace(source, job=JOB.name, word=JOB.word, model=JOB.build(settings, assets), assets=assets)


def test_the_graph_has_no_loop_and_padding_changes_nothing(run: Source, tmp_path: Path) -> None:
    """Wherever the padding stands, the graph answers as the model that was trained does, and as without it."""
    directory = build(run, find(run.job, run.word)(run), Target(tmp_path / "models", run.job))
    manifest = bundle.read(directory)
    (parity,) = manifest.parity.values()
    assert (parity.ragged, parity.max_relative < 1e-5) == (True, True)
    operators = {node.op_type for node in onnx.load(directory / manifest.default.file).graph.node}
    assert "LSTM" in operators
    assert not operators & {"Loop", "Scan"}
    task = manifest.task
    assert isinstance(task, Classify)
    assert isinstance(task.accepts, TextInput)
    assert (task.accepts.keep, task.attention) == ("first", "attention")
    session = onnxruntime.InferenceSession(directory / manifest.default.file)
    row = np.load(run.assets / "examples.npz")["ids"][:1]
    row = row[:, row[0] != 0]
    bare = session.run(["probabilities", "attention"], {"ids": row})
    for left, right in ((0, 0), (0, 4), (4, 0), (2, 3)):
        ids = np.pad(row, ((0, 0), (left, right)))
        probabilities, attention = session.run(["probabilities", "attention"], {"ids": ids})
        trained = run.model(ids)
        np.testing.assert_allclose(probabilities, trained["probabilities"], atol=1e-5)
        np.testing.assert_allclose(attention, trained["attention"], atol=1e-5)
        np.testing.assert_allclose(probabilities, bare[0], atol=1e-6)
        np.testing.assert_allclose(attention[:, left : left + row.shape[1]], bare[1], atol=1e-6)


def test_a_run_without_its_window_or_with_another_tokenizer_is_refused(run: Source, tmp_path: Path) -> None:
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
