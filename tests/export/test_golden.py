from pathlib import Path

import numpy as np
import pytest

from export import golden
from export.errors import RecipeError
from export.parity import Decision, Measure
from export.recipe import Arrays
from service.bundle import BundleError, Signature, Tensor
from tests.export.toys import STEP, WORDS

X = (Tensor(name="x", dtype="float32", shape=("batch", 2)),)
BY = Measure(1e-4, (Decision("alarm", "score", "limit"),))


def alarm(feeds: Arrays) -> Arrays:
    """Alarm where the first number is above 1."""
    score = feeds["x"][:, 0]
    return {"alarm": score > 1, "score": score, "limit": np.ones(len(score))}


def test_the_request_is_the_first_rows_of_real_data() -> None:
    example = {"x": np.arange(20, dtype=np.float32).reshape(10, 2), "more": np.zeros(10)}
    np.testing.assert_array_equal(golden.request(X, example)["x"], example["x"][:4])


def test_without_real_data_the_request_is_drawn_ragged() -> None:
    lengths = golden.request(WORDS, None)["lengths"]
    assert len(lengths) == 3
    assert len(set(lengths)) > 1


def test_a_drawn_request_has_axes_of_different_sizes() -> None:
    key = golden.request(STEP, None)["past_key"]
    cross = golden.request(STEP, None)["cross_key"]
    assert key.shape[2] != cross.shape[2]


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 2)), np.zeros((3, 3), np.float32), np.zeros(3, np.float32), np.zeros((0, 2), np.float32)],
)
def test_an_example_of_another_kind_is_refused(array: np.ndarray) -> None:
    with pytest.raises(RecipeError, match="the example of input 'x' is"):
        golden.request(X, {"x": array})


def test_rows_that_rounding_decides_are_left_out() -> None:
    feeds = {"x": np.array([[0.5, 0], [1.00001, 0], [2, 0]], np.float32)}
    inputs, outputs = golden.record(alarm, X, feeds, BY)
    np.testing.assert_array_equal(inputs["x"][:, 0], [0.5, 2])
    np.testing.assert_array_equal(outputs["alarm"], [False, True])


def test_if_rounding_decides_them_all_the_example_is_refused() -> None:
    with pytest.raises(RecipeError, match="every row of the example lies at the threshold"):
        golden.record(alarm, X, {"x": np.ones((2, 2), np.float32)}, BY)


def test_a_request_reads_as_it_was_written(tmp_path: Path) -> None:
    signature = Signature(
        file="model.onnx",
        saved_model_signature="x",
        inputs=X,
        outputs=(X[0].model_copy(update={"name": "y"}),),
    )
    x, y = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    golden.write(tmp_path / "golden.npz", {"x": x}, {"y": y})
    inputs, outputs = golden.read(tmp_path / "golden.npz", signature)
    np.testing.assert_array_equal(inputs["x"], x)
    np.testing.assert_array_equal(outputs["y"], y)
    with pytest.raises(BundleError, match=r"has the outputs \['y'\], expected \['x'\]"):
        golden.read(tmp_path / "golden.npz", signature.model_copy(update={"outputs": X}))


def test_a_file_that_is_no_request_is_refused(tmp_path: Path, words: Signature) -> None:
    (tmp_path / "golden.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(BundleError, match=r"golden request 'golden\.npz' cannot be read"):
        golden.read(tmp_path / "golden.npz", words)


def test_a_request_with_pickles_is_refused(tmp_path: Path, words: Signature) -> None:
    np.savez(tmp_path / "golden.npz", **{"in.ids": np.array([{"code": "runs"}], dtype=object)})
    with pytest.raises(BundleError, match="Object arrays cannot be loaded"):
        golden.read(tmp_path / "golden.npz", words)
