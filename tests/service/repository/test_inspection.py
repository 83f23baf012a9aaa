"""A graph and what is said of it."""

from __future__ import annotations

import pytest

from service.bundle import Signature, Tensor
from service.engine.contracts import GraphTensor
from service.repository.errors import LoadError
from service.repository.inspection import check, describe
from tests.support.fakes import FakeSession

X = GraphTensor("float32", ("batch", 4))
Y = GraphTensor("float32", ("unk__1", 2))


def session(inputs: dict[str, GraphTensor], outputs: dict[str, GraphTensor] | None = None) -> FakeSession:
    return FakeSession(lambda feeds: feeds, inputs=inputs, outputs=outputs or {"y": Y})


def signature(*inputs: Tensor) -> Signature:
    output = Tensor(name="y", dtype="float32", shape=("batch", 2))
    return Signature(file="step.onnx", saved_model_signature="", inputs=inputs, outputs=(output,))


def tensor(name: str = "x", dtype: str = "float32", shape: tuple[int | str, ...] = ("batch", 4)) -> Tensor:
    return Tensor(name=name, dtype=dtype, shape=shape)  # type: ignore[arg-type]


def test_free_axes_may_be_called_differently() -> None:
    check(signature(tensor()), session({"x": GraphTensor("float32", (None, 4))}))
    check(signature(tensor(shape=("batch", 4))), session({"x": GraphTensor("float32", ("N", "width"))}))


@pytest.mark.parametrize(
    ("promised", "reason"),
    [
        (tensor(name="z"), "'step.onnx' has no input 'z'; it has x"),
        (tensor(dtype="int32"), "input 'x' of 'step.onnx' is float32, its signature says int32"),
        (tensor(shape=("batch", 5)), r"has shape \['batch', 4\], its signature says \['batch', 5\]"),
        (tensor(shape=("batch",)), "has shape"),
    ],
)
def test_what_contradicts_the_graph_is_refused(promised: Tensor, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        check(signature(promised), session({"x": X}))


def test_an_output_that_the_graph_does_not_have_is_refused() -> None:
    with pytest.raises(LoadError, match="has no output 'y'; it has z"):
        check(signature(tensor()), session({"x": X}, {"z": Y}))


def test_an_input_that_nobody_would_fill_is_refused() -> None:
    with pytest.raises(LoadError, match="needs input 'w', which its signature does not name"):
        check(signature(tensor()), session({"x": X, "w": X}))


def test_rows_are_independent_only_where_the_graph_says_so() -> None:
    made = describe("model.onnx", session({"x": GraphTensor("float32", ("batch_size", 4))}))
    assert made.inputs[0].shape == ("batch", 4)
    assert made.outputs[0].shape == ("axis unk__1", 2)
    other = describe("model.onnx", session({"x": GraphTensor("float32", ("unk__0", 4))}))
    assert other.inputs[0].shape == ("axis unk__0", 4)


def test_one_input_without_a_batch_axis_means_that_nothing_is_merged() -> None:
    made = describe("model.onnx", session({"x": X, "w": GraphTensor("float32", (4,))}))
    assert made.inputs[0].shape == ("axis batch", 4)


def test_axes_of_one_name_are_of_one_size_and_nameless_ones_are_not() -> None:
    nameless = GraphTensor("float32", (None, None))
    named = GraphTensor("float32", ("rows", "rows"))
    made = describe("model.onnx", session({"a": nameless, "b": nameless, "c": named}))
    assert [each.shape for each in made.inputs] == [
        ("a axis 0", "a axis 1"),
        ("b axis 0", "b axis 1"),
        ("axis rows", "axis rows"),
    ]


def test_a_type_that_cannot_be_fed_is_refused() -> None:
    with pytest.raises(LoadError, match=r"'x' of 'model.onnx' is seq\(tensor\(float\)\)"):
        describe("model.onnx", session({"x": GraphTensor("seq(tensor(float))", ())}))
