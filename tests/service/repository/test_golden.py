"""Questions whose answers a version brings along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.bundle import Golden, Signature, Tensor
from service.domain import Array, Tensors
from service.repository import golden
from service.repository.errors import GoldenError, GraphError, LoadError
from tests.support.fakes import FakeSession

SIGNATURE = Signature(
    file="model.onnx",
    saved_model_signature="",
    inputs=(Tensor(name="x", dtype="float32", shape=("batch", 2)),),
    outputs=(Tensor(name="y", dtype="float32", shape=("batch", 2)),),
)
X = np.array([[1, 2], [3, 4], [5, 6]], np.float32)


def doubling() -> FakeSession:
    return FakeSession(lambda feeds: {"y": feeds["x"] * 2})


def asked(tmp_path: Path, session: FakeSession, arrays: dict[str, Array], tolerance: float = 1e-3) -> None:
    np.savez(tmp_path / "golden.npz", allow_pickle=False, **arrays)
    request = Golden(signature="serving_default", file="golden.npz", tolerance=tolerance)
    golden.ask(tmp_path, request, SIGNATURE, session, max_rows=8)


def test_the_right_answer_is_accepted_and_the_largest_batch_is_run_once(tmp_path: Path) -> None:
    session = doubling()
    asked(tmp_path, session, {"in.x": X, "out.y": X * 2})
    assert session.batch_sizes == [3, 8]
    assert session.feeds[1]["x"].tolist() == X[[0, 1, 2, 0, 1, 2, 0, 1]].tolist()


def test_the_distance_is_relative_for_large_numbers(tmp_path: Path) -> None:
    asked(tmp_path, doubling(), {"in.x": X * 1e6, "out.y": X * 2e6 * np.float32(1.0005)})


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        (X * 2 + 0.1, "output 'y' is off by 0.03"),
        (X[:2], "off by inf"),
        (X * np.nan, "off by nan"),
        (X.astype(str), "off by inf"),
    ],
)
def test_another_answer_is_refused(tmp_path: Path, recorded: Array, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        asked(tmp_path, doubling(), {"in.x": X, "out.y": recorded})


def test_not_a_number_where_not_a_number_was_recorded_is_the_same(tmp_path: Path) -> None:
    nothing = np.full_like(X, np.nan)
    asked(tmp_path, FakeSession(lambda feeds: {"y": feeds["x"] * np.nan}), {"in.x": X, "out.y": nothing})


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.str_])
def test_verdicts_counts_and_words_are_compared_as_well(tmp_path: Path, dtype: type) -> None:
    answer = np.array(["0", "1", "0"]).astype(np.int64).astype(dtype)
    session = FakeSession(lambda feeds: {"y": np.resize(answer, len(feeds["x"]))})
    asked(tmp_path, session, {"in.x": X, "out.y": answer})
    with pytest.raises(GoldenError, match="off by"):
        asked(tmp_path, session, {"in.x": X, "out.y": answer[::-1][[1, 0, 2]]})


def test_a_graph_that_fails_is_refused_without_its_words(tmp_path: Path) -> None:
    session = doubling()
    session.fail = RuntimeError("/secret")
    with pytest.raises(GraphError, match="failed to run: RuntimeError") as caught:
        asked(tmp_path, session, {"in.x": X, "out.y": X})
    assert "secret" not in str(caught.value)


def test_a_graph_that_fails_only_on_large_batches_is_refused(tmp_path: Path) -> None:
    def large(feeds: Tensors) -> bool:
        return len(feeds["x"]) > 3

    session = doubling()
    session.fail, session.fails = MemoryError(), large
    with pytest.raises(GraphError, match="a batch of 8 rows failed to run"):
        asked(tmp_path, session, {"in.x": X, "out.y": X * 2})


def test_a_request_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no inputs or no outputs"):
        asked(tmp_path, doubling(), {"in.x": X})


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "golden.npz", **{"in.x": np.array([{}], object), "out.y": X})
    request = Golden(signature="serving_default", file="golden.npz", tolerance=1.0)
    with pytest.raises(LoadError, match="cannot be read"):
        golden.ask(tmp_path, request, SIGNATURE, doubling(), max_rows=1)
