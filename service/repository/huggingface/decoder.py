"""Say how a decoder graph of Hugging Face's exporters is driven, from its own inputs and outputs.

Pure: declarations in, a signature and a step graph out. Knows the convention of names (`past_key_values.N.key`
becomes `present.N.key`), and no files, words or special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from service.bundle import DType, Kind, Signature, StateEntry, StepGraph, Tensor
from service.engine.contracts import GraphTensor, Session
from service.engine.feeds import BATCH
from service.repository.errors import LoadError
from service.repository.huggingface.configuration import Configuration

STEP = "step"
TOKENS = "input_ids"
LOGITS = "logits"
MASK = "attention_mask"
POSITIONS = "position_ids"
SOURCE_MASK = "encoder_attention_mask"
ENCODED = "encoder_hidden_states"
BRANCH = "use_cache_branch"
"""Of a merged decoder: whether there are caches to go on from."""
SOURCE = "source"
PAST = "past_key_values."
PRESENT = "present."
_TIME, _OLD, _ALL = "time", "past", "past + time"
_CACHE = re.compile(r"past_key_values\.(0|[1-9][0-9]*)\.(?:(decoder|encoder)\.)?(key|value)")
_SEQUENCE_AXIS = 2


@dataclass(frozen=True, slots=True)
class Decoder:
    """A graph that continues sequences: its signature, and how it is driven."""

    signature: Signature
    step: StepGraph
    vocabulary_size: int


def continues(session: Session) -> bool:
    """Whether a graph is one of those that this module knows: it takes caches of that name."""
    return any(name.startswith(PAST) for name in session.inputs)


def describe(file: str, session: Session, told: Configuration) -> Decoder:
    """Return how the graph in `file` is driven; raises LoadError for the first tensor that is not as expected."""
    return _Description(file, session, told).decoder()


class _Description:
    """One graph on its way to a signature."""

    def __init__(self, file: str, session: Session, told: Configuration) -> None:
        self._file = file
        self._inputs = session.inputs
        self._outputs = session.outputs
        self._told = told

    def decoder(self) -> Decoder:
        if TOKENS not in self._inputs or LOGITS not in self._outputs:
            raise LoadError(f"'{self._file}' needs an input '{TOKENS}' and an output '{LOGITS}'")
        logits = self._logits()
        vocabulary = logits.shape[-1]
        if not isinstance(vocabulary, int):
            raise LoadError(f"'{LOGITS}' of '{self._file}' must say how many entries the vocabulary has")
        inputs = tuple(self._input(name, graph, vocabulary) for name, graph in self._inputs.items())
        own = [name for name in self._inputs if name.startswith(PAST) and ".encoder." not in name]
        self._check_layers(own)
        context = tuple(tensor.name for tensor in inputs if tensor.kind == "context")
        state = tuple(self._entry(name) for name in own)
        presents = tuple(self._present(entry) for entry in state)
        signature = Signature(
            file=self._file, saved_model_signature="", inputs=inputs, outputs=(logits, *presents)
        )
        step = StepGraph(
            signature=STEP,
            tokens=TOKENS,
            logits=LOGITS,
            state=state,
            positions=POSITIONS if POSITIONS in self._inputs else None,
            mask=MASK if MASK in self._inputs else None,
            context=context,
            suppressed=tuple(token for token in self._told.suppressed_ids if token < vocabulary),
        )
        return Decoder(signature, step, vocabulary)

    def _input(self, name: str, graph: GraphTensor, vocabulary: int) -> Tensor:
        if _CACHE.fullmatch(name):
            return self._cache(name, graph)
        try:
            kind, axis = _KNOWN[name]
        except KeyError:
            known = ", ".join([*_KNOWN, f"{PAST}N.key"])
            raise LoadError(
                f"nothing fills the input '{name}' of '{self._file}'; known are {known}"
            ) from None
        if name == ENCODED:
            return self._tensor(name, graph, (BATCH, SOURCE, self._last(name, graph)), kind)
        made = self._tensor(name, graph, (BATCH, self._time(graph) if axis == _TIME else axis), kind)
        return made.model_copy(update={"range": (0, vocabulary)}) if name == TOKENS else made

    @staticmethod
    def _time(graph: GraphTensor) -> int | str:
        fixed = graph.shape[-1]
        return fixed if isinstance(fixed, int) else _TIME

    def _logits(self) -> Tensor:
        graph = self._outputs[LOGITS]
        axes = (BATCH, _TIME) if len(graph.shape) == 3 else (BATCH,)
        return self._tensor(LOGITS, graph, (*axes, self._last(LOGITS, graph)), "values")

    def _last(self, name: str, graph: GraphTensor) -> int | str:
        size = graph.shape[-1] if graph.shape else None
        return size if isinstance(size, int) else f"{name} size"

    def _cache(self, name: str, graph: GraphTensor) -> Tensor:
        """Return a cache [batch, heads, tokens, head size]; sizes that the graph leaves open are those of the model."""
        crossed = ".encoder." in name
        axis = SOURCE if crossed else _OLD
        return self._tensor(
            name, graph, self._cache_shape(name, graph, axis), "context" if crossed else "state"
        )

    def _cache_shape(self, name: str, graph: GraphTensor, axis: str) -> tuple[int | str, ...]:
        if len(graph.shape) != 4 or isinstance(graph.shape[_SEQUENCE_AXIS], int):
            raise self._misfit(name, graph, "[batch, heads, tokens, head size]")
        heads = self._size(name, graph.shape[1], self._told.heads, "num_key_value_heads")
        size = self._size(name, graph.shape[3], self._told.head_size, "head_dim")
        return (BATCH, heads, axis, size)

    def _size(self, name: str, declared: int | str | None, told: int | None, setting: str) -> int:
        if isinstance(declared, int):
            return declared
        if told is None:
            raise LoadError(f"'{name}' of '{self._file}' leaves a size open that no '{setting}' gives")
        return told

    def _check_layers(self, names: list[str]) -> None:
        found = {tuple(match.groups()) for match in map(_CACHE.fullmatch, names) if match}
        layers = {int(str(layer)) for layer, _, _ in found}
        for layer in range(max(layers, default=0) + 1):
            for part in ("key", "value"):
                if not any(int(str(each)) == layer and part == what for each, _, what in found):
                    raise LoadError(f"'{self._file}' has caches, but none for the {part} of layer {layer}")

    def _entry(self, name: str) -> StateEntry:
        output = PRESENT + name.removeprefix(PAST)
        if output not in self._outputs:
            raise LoadError(f"'{self._file}' has no output '{output}' for its input '{name}'")
        return StateEntry(input=name, output=output, mode="append", axis=_SEQUENCE_AXIS, whole=True)

    def _present(self, entry: StateEntry) -> Tensor:
        before = self._cache(entry.input, self._inputs[entry.input])
        graph = self._outputs[entry.output]
        shape = self._cache_shape(entry.output, graph, _ALL)
        made = self._tensor(entry.output, graph, shape, "state")
        if (made.dtype, shape[1], shape[3]) != (before.dtype, before.shape[1], before.shape[3]):
            expected = f"{before.dtype} with {before.shape[1]} heads of {before.shape[3]}, as '{entry.input}'"
            raise LoadError(
                f"'{entry.output}' of '{self._file}': expected {expected},"
                f" got {made.dtype} with {shape[1]} heads of {shape[3]}"
            )
        return made

    def _tensor(self, name: str, graph: GraphTensor, shape: tuple[int | str, ...], kind: Kind) -> Tensor:
        if graph.dtype not in _ALLOWED.get(kind, _FLOATS):
            raise LoadError(f"'{name}' of '{self._file}' is {graph.dtype}, which is not known for it")
        if len(graph.shape) != len(shape):
            raise self._misfit(name, graph, str(list(shape)))
        pad = (self._told.pad_id or 0) if name == TOKENS else 0
        return Tensor.model_validate(
            {"name": name, "dtype": graph.dtype, "shape": shape, "kind": kind, "pad": pad}
        )

    def _misfit(self, name: str, graph: GraphTensor, expected: str) -> LoadError:
        return LoadError(f"'{name}' of '{self._file}': expected {expected}, got {list(graph.shape)}")


_KNOWN: Mapping[str, tuple[Kind, str]] = {
    TOKENS: ("token_ids", _TIME),
    MASK: ("mask", _ALL),
    POSITIONS: ("positions", _TIME),
    SOURCE_MASK: ("context", SOURCE),
    ENCODED: ("context", SOURCE),
}
_FLOATS = frozenset({"float16", "float32", "float64"})
_INTEGERS = frozenset({"int32", "int64"})
_ALLOWED: Mapping[str, frozenset[str]] = {
    "token_ids": _INTEGERS,
    "positions": _INTEGERS,
    "mask": frozenset(get_args(DType)) - {"string"},
    "context": frozenset(get_args(DType)) - {"string"},
}
