"""Which variants of a graph are made, what is measured of them, and which are worth it."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from export import fidelity, golden, variants
from export.errors import ProbeError
from export.graph import runner
from export.speed import Times
from export.variants import Base, Trial, judge, trials
from service.bundle import DEFAULT_GRAPH, Classify, FeatureInput, Fidelity, Signature, Tensor, Variant

WIDTH = 256
TASK = Classify(
    signature="a", input="x", probabilities="y", labels=tuple(map(str, range(WIDTH))),
    accepts=FeatureInput(names=()),
)  # fmt: skip


def write_graph(path: Path, width: int = WIDTH) -> None:
    """Write softmax(x W), whose weights are 4 width^2 bytes."""
    weights = np.random.default_rng(1).standard_normal((width, width)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "W"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weights, "W")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


@pytest.fixture
def base(tmp_path: Path) -> Base:
    write_graph(tmp_path / DEFAULT_GRAPH)
    x, y = (Tensor(name=name, dtype="float32", shape=("batch", WIDTH)) for name in "xy")
    example = {"x": np.eye(WIDTH, dtype=np.float32)[:40] * 4}
    answer = runner(tmp_path / DEFAULT_GRAPH)(example)
    golden.write(tmp_path / "golden.npz", example, answer)
    signature = Signature(file=DEFAULT_GRAPH, saved_model_signature="a", inputs=(x,), outputs=(y,))
    return Base("a", signature, tmp_path, tmp_path / "golden.npz", example)


def tried(base: Base, monkeypatch: pytest.MonkeyPatch, time: float) -> dict[str, Trial]:
    """Try all, as if each took `time` of the original's."""
    monkeypatch.setattr(variants, "compare", lambda *_, **__: Times(time, 1.0))
    return {trial.name: trial for trial in trials(base, TASK)}


def test_what_is_worth_it_stays_beside_the_original_with_its_measures(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tried(base, monkeypatch, 0.7)
    assert set(made) == {"int8", "fp16"}
    int8 = made["int8"].variant
    assert int8 is not None
    assert made["int8"].refused == ""
    assert int8.size_ratio == pytest.approx(0.26, abs=0.02)
    assert int8.size_bytes == (base.directory / int8.file).stat().st_size
    assert (int8.file, int8.latency_ratio, int8.fidelity.rows) == ("model.int8.onnx", 0.7, 40)
    assert 0 < int8.fidelity.max_relative < int8.tolerance < 0.5
    answer = runner(base.directory / int8.file)(base.example or {})
    assert answer["y"].dtype == np.float32


def test_the_file_of_what_is_refused_is_removed(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tried(base, monkeypatch, 1.5)
    assert {trial.refused for trial in made.values()} == {"it is slower"}
    assert [path.name for path in base.directory.glob("*.onnx")] == [DEFAULT_GRAPH]


def test_a_graph_that_crashes_the_runtime_is_refused_like_any_other(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(graph: Path, _: Path) -> None:
        raise ProbeError(f"{graph.name} crashed the runtime (SIGSEGV)")

    monkeypatch.setattr(variants, "probe", crash)
    made = tried(base, monkeypatch, 0.5)
    assert made["fp16"] == Trial("a", "fp16", None, "model.fp16.onnx crashed the runtime (SIGSEGV)")
    assert [path.name for path in base.directory.glob("*.onnx")] == [DEFAULT_GRAPH]


def test_of_a_small_graph_nothing_is_tried(base: Base) -> None:
    write_graph(base.directory / DEFAULT_GRAPH, 16)
    assert list(trials(base, TASK)) == []


def variant(size: float, time: float, **like: float) -> Variant:
    measured = Fidelity.model_validate({"rows": 10, "max_relative": 0.1} | like)
    return Variant(
        file="f", size_bytes=1, size_ratio=size, latency_ratio=time, fidelity=measured, tolerance=0.2
    )


@pytest.mark.parametrize(
    ("one", "refused"),
    [
        (variant(0.26, 0.5), ""),
        (variant(0.26, 1.05), ""),
        (variant(0.9, 0.8), ""),
        (variant(0.7, 1.0), "it saves too little"),
        (variant(0.26, 1.2), "it is slower"),
        (variant(0.26, 0.5, agreement=0.9), "it answers otherwise than its original"),
        (variant(0.26, 0.5, divergence=0.1), "it answers otherwise than its original"),
        (variant(0.26, 0.5, deviation=float("nan")), "it answers otherwise than its original"),
    ],
)
def test_worth_it_is_smaller_or_faster_and_as_good(one: Variant, refused: str) -> None:
    assert judge(one) == refused


def test_fidelity_counts_rows_whose_decision_is_another_and_the_distance_of_other_numbers() -> None:
    y = Tensor(name="y", dtype="float32", shape=("batch", 2))
    signature = Signature(file="f", saved_model_signature="a", inputs=(y,), outputs=(y, y))
    example = {"y": np.full((40, 2), 0.5, np.float32)}
    wanted = np.array([[0.9, 0.1]] * 40, np.float32)
    got = wanted.copy()
    got[:10] = [0.1, 0.9]
    other = np.array([[-1.0], [1.0]] * 20, np.float32)
    like = fidelity.measure(
        signature,
        (lambda _: {"y": wanted, "z": other}, lambda _: {"y": got, "z": other + np.float32(0.1)}),
        {"y": False},
        example,
    )
    assert (like.rows, like.agreement) == (40, 0.75)
    assert like.divergence == pytest.approx(0.25 * 0.8 * np.log(9), rel=1e-4)
    assert like.deviation == pytest.approx(0.1, rel=1e-4)
    assert like.max_relative == pytest.approx(0.8 / 1.1, rel=1e-4)


def test_few_examples_are_joined_by_drawn_rows() -> None:
    x = Tensor(name="x", dtype="float32", shape=("batch", 2))
    signature = Signature(file="f", saved_model_signature="a", inputs=(x,), outputs=(x,))
    same = (dict, dict)
    few = fidelity.measure(signature, same, {}, {"x": np.ones((3, 2), np.float32)})
    assert (few.rows, few.agreement, few.max_relative) == (3 + 2 * fidelity.ROWS, 1.0, 0.0)


def test_equal_logits_and_probabilities_do_not_diverge() -> None:
    logits = np.array([[1.0, -2.0, 30.0]], np.float32)
    assert fidelity.divergence(logits, logits + 5, logits=True) == pytest.approx(0.0, abs=1e-6)
    certain = np.array([[1.0, 0.0]], np.float32)
    assert fidelity.divergence(certain, certain, logits=False) == pytest.approx(0.0)
