"""Two tiny step graphs whose tokens carry their row's own tag: whoever gets another's token sees it at once.

Knows graphs and their signatures; knows nothing of who runs them. A token is `tag * CYCLE + count % CYCLE`: whose it
is, and how many tokens the row had read before it. The tag is known from the state alone, never from the last token, so a
state that went to another row shows in the next token.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.bundle import Signature, StateEntry, StepGraph, Tensor

TAGS, CYCLE = 512, 4
VOCABULARY = TAGS * CYCLE
LOGITS = Tensor(name="logits", dtype="float32", shape=("batch", VOCABULARY))


@dataclass(frozen=True, slots=True)
class Tagged:
    """A step graph, how it is driven, and the longest prompt that it reads at once."""

    graph: StepGraph
    signature: Signature
    nodes: tuple[onnx.NodeProto, ...]
    longest_prompt: int

    def write(self, path: Path) -> None:
        """Write the graph as ONNX."""
        graph = helper.make_graph(
            list(self.nodes),
            self.graph.signature,
            [_value(each) for each in self.signature.inputs],
            [_value(each) for each in self.signature.outputs],
            [numpy_helper.from_array(value, name) for name, value in _CONSTANTS.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())


def expected(tag: int, prompt: int, count: int) -> list[int]:
    """Return the `count` tokens that follow a prompt of `prompt` tokens."""
    return [tag * CYCLE + (prompt + made) % CYCLE for made in range(count)]


_CONSTANTS = {
    "zero": np.array(0, np.float32),
    "cycle": np.array(CYCLE, np.float32),
    "one": np.array([1], np.int64),
    "first": np.array([0], np.int64),
    "ids_of_all": np.arange(VOCABULARY, dtype=np.float32)[None],
}


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    kind = TensorProto.INT32 if tensor.dtype == "int32" else TensorProto.FLOAT
    return helper.make_tensor_value_info(tensor.name, kind, list(tensor.shape))


def _node(operator: str, *names: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, list(names[:-1]), [names[-1]], **attributes)


def _say(tag: str, count: str) -> tuple[onnx.NodeProto, ...]:
    """The logits of `tag` and `count` [batch, 1]: the nearer an id is to the token, the larger."""
    return (
        _node("Mod", count, "cycle", "place", fmod=1),
        _node("Mul", tag, "cycle", "begin"),
        _node("Add", "begin", "place", "token"),
        _node("Sub", "token", "ids_of_all", "apart"),
        _node("Abs", "apart", "distance"),
        _node("Neg", "distance", "logits"),
    )


def _columns(*names: str, shape: tuple[int | str, ...], kind: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor.model_validate({"name": name, "dtype": "float32", "shape": shape, "kind": kind})
        for name in names
    )


def _recurrent() -> Tagged:
    """Ragged prompts; the tag is in the state `tag`, which is replaced, from the prompt's first token on."""
    inputs = (
        Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", range=(0, VOCABULARY)),
        Tensor(name="lengths", dtype="int32", shape=("batch",), kind="lengths", pad=1),
        *_columns("tag", "seen", shape=("batch", 1), kind="state"),
    )
    outputs = (LOGITS, *_columns("tag_out", "seen_out", shape=("batch", 1), kind="state"))
    nodes = (
        _node("Slice", "ids", "first", "one", "one", "head"),
        _node("Cast", "head", "head_value", to=TensorProto.FLOAT),
        _node("Div", "head_value", "cycle", "head_share"),
        _node("Floor", "head_share", "head_tag"),
        _node("Equal", "seen", "zero", "new"),
        _node("Where", "new", "head_tag", "tag", "tag_out"),
        _node("Cast", "lengths", "fed", to=TensorProto.FLOAT),
        _node("Unsqueeze", "fed", "one", "fed_column"),
        _node("Add", "seen", "fed_column", "seen_out"),
        *_say("tag_out", "seen_out"),
    )
    graph = StepGraph(
        signature="step",
        tokens="ids",
        lengths="lengths",
        logits="logits",
        state=tuple(StateEntry(input=name, output=f"{name}_out", mode="replace") for name in ("tag", "seen")),
    )
    return Tagged(graph, _signature(inputs, outputs), nodes, 40)


def _appending() -> Tagged:
    """One token a step; each step appends its context's tag, and says the mean of all that its cache holds."""
    inputs = (
        Tensor(name="ids", dtype="int32", shape=("batch", 1), kind="token_ids", range=(0, VOCABULARY)),
        Tensor(name="past_mask", dtype="float32", shape=("batch", "past"), kind="mask"),
        *_columns("past", shape=("batch", "past", 1), kind="state"),
        *_columns("owner", shape=("batch", 1), kind="context"),
    )
    outputs = (LOGITS, *_columns("new", shape=("batch", 1, 1), kind="state"))
    nodes = (
        _node("Unsqueeze", "owner", "one", "new"),
        _node("Unsqueeze", "past_mask", "two", "valid"),
        _node("Mul", "past", "valid", "known"),
        _node("ReduceSum", "known", "one", "sum", keepdims=1),
        _node("Add", "sum", "new", "total"),
        _node("ReduceSum", "past_mask", "one", "age", keepdims=1),
        _node("Add", "age", "unit", "count"),
        _node("Squeeze", "total", "two", "total_column"),
        _node("Div", "total_column", "count", "mean"),
        *_say("mean", "count"),
    )
    graph = StepGraph(
        signature="step",
        tokens="ids",
        past_mask="past_mask",
        logits="logits",
        state=(StateEntry(input="past", output="new", mode="append", axis=1),),
        context=("owner",),
    )
    return Tagged(graph, _signature(inputs, outputs), nodes, 4)


def _signature(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> Signature:
    return Signature(file="step.onnx", saved_model_signature="step", inputs=inputs, outputs=outputs)


_CONSTANTS |= {"two": np.array([2], np.int64), "unit": np.array(1, np.float32)}
GRAPHS = {"replace": _recurrent(), "append": _appending()}
