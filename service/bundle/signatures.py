"""Tensors, signatures and step graphs: how a bundle's graphs are called.

Knows names, dtypes and axes. Knows nothing of words, files or manifests.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.domain import NAME_PATTERN

DType = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "string",
]  # fmt: skip
Kind = Literal["values", "token_ids", "lengths", "positions", "mask", "state", "context"]
"""What a tensor means: it decides how export draws it for the parity gate and how the gateway pads it.

`values` numbers of the user's; `token_ids` vocabulary entries, right-padded along axis 1; `lengths` how
many of a row's tokens are valid; `positions` the index of a row's next token; `mask` 1.0 valid and 0.0
padding; `state` carried from step to step; `context` computed once per request by the encoder.
"""


class Frozen(BaseModel):
    """A part of the contract: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Tensor(Frozen):
    """One input or output of a signature.

    `shape` has a number for a fixed axis and a name for a free one; two axes with one name have one size.
    Axis 0 is called `batch` where rows are independent. `range` is [lowest, highest) for `token_ids` and
    integers and [lowest, highest] for floats. `pad` is the value beyond a row's end.
    """

    name: str
    dtype: DType
    shape: tuple[int | str, ...]
    kind: Kind = "values"
    range: tuple[float, float] | None = None
    pad: float = 0


class Fidelity(Frozen):
    """How unlike its original a variant answers, over so many `rows`: real ones, and drawn ones where
    those were few.

    `agreement` is the share of rows for which the same label or token is the most probable, and every verdict the same.
    `divergence` is the mean Kullback-Leibler divergence of probabilities and logits, in nats: by so much the log loss
    grows. `deviation` is the root of the mean square of what other numbers differ by, in standard deviations of the
    original's. `max_relative` is the measure of `Parity`.
    """

    rows: int
    agreement: Annotated[float, Field(ge=0, le=1)] = 1.0
    divergence: float = 0.0
    deviation: float = 0.0
    max_relative: float


class Variant(Frozen):
    """The graph of a signature in other numbers, measured beside its original when it was exported.

    `size_ratio` and `latency_ratio` are its share of the original's bytes and time (the largest of several batch sizes,
    taken in turns on the CPU). A golden request may be answered as far from the recorded answer as `tolerance`.
    """

    file: str
    size_bytes: int
    size_ratio: float
    latency_ratio: float
    fidelity: Fidelity
    tolerance: float


BASE = "base"
"""What the graph that variants are made from is called."""


class Signature(Frozen):
    """One callable graph of the bundle: an ONNX file and the SavedModel signature that it equals.

    `variants` are further files for the same inputs and outputs, by name (`int8`, `fp16`).
    """

    file: str
    saved_model_signature: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    variants: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Variant] = {}

    @model_validator(mode="after")
    def _base_is_no_variant(self) -> Self:
        if BASE in self.variants:
            raise ValueError(f"a variant is not called '{BASE}'")
        return self

    def input(self, name: str) -> Tensor:
        """Return the input called `name`; raises KeyError."""
        return {tensor.name: tensor for tensor in self.inputs}[name]

    def output(self, name: str) -> Tensor:
        """Return the output called `name`; raises KeyError."""
        return {tensor.name: tensor for tensor in self.outputs}[name]


class StateEntry(Frozen):
    """One tensor that a step graph hands to its own next step.

    `replace`: the output is the next input (an LSTM's h and c). `append`: the output is this step's slice,
    to be appended to the input along `axis` (a key-value cache); with `whole`, it is the whole input with the
    slice appended to it (Hugging Face's `present`). `axis` counts from 0 with batch as 0.
    """

    input: str
    output: str
    mode: Literal["replace", "append"]
    axis: int | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _axis_belongs_to_append(self) -> Self:
        if (self.axis is None) is (self.mode == "append"):
            raise ValueError("an 'append' entry needs an axis, a 'replace' entry has none")
        if self.whole and self.mode != "append":
            raise ValueError("only the output of an 'append' entry can be 'whole'")
        return self


class StepGraph(Frozen):
    """How to drive a step graph: everything a scheduler must know of a model.

    `tokens` is the input [batch, time] of new tokens, int32 or int64; if its axis 1 is fixed at 1, prompts
    are fed one token a step. `lengths` [batch] says how many of them are valid, `positions` [batch, time]
    gives each new token's index in its sequence, `past_mask` [batch, past] marks the valid part of an
    appended state, `mask` [batch, past + time] the valid past and new tokens (Hugging Face's
    `attention_mask`). `logits` is [batch, vocabulary], those of each row's last valid token, or
    [batch, time, vocabulary], those of every token. `context` names inputs that stay the same for a request:
    the outputs of the encoder with the same names. Tokens that are `suppressed` are never chosen.

    Rows of different token counts share a run if the graph takes `lengths`, or gives every token's logits and
    takes `mask`. With `one_age` they must have seen equally many tokens besides: the graph counts those by itself.
    """

    signature: str
    tokens: str
    logits: str
    state: tuple[StateEntry, ...]
    lengths: str | None = None
    positions: str | None = None
    past_mask: str | None = None
    mask: str | None = None
    context: tuple[str, ...] = ()
    suppressed: tuple[int, ...] = ()
    one_age: bool = False
