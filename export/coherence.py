"""Check that a task and the signatures it speaks of agree, before anybody serves them.

Knows the manifest's types, and nothing of graphs or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from export.errors import RecipeError
from service.bundle import (
    Classify,
    FeatureInput,
    Generate,
    ImageInput,
    Predict,
    Score,
    Signature,
    StepGraph,
    Task,
    Tensor,
    Translate,
)

Signatures = Mapping[str, Signature]


def check(task: Task, signatures: Signatures) -> None:
    """Raise RecipeError for the first thing in `task` that the signatures do not have, or have otherwise."""
    for problem in _PROBLEMS[task.word](task, signatures):
        raise RecipeError(f"task '{task.word}': {problem}")


def assets(task: Task) -> Iterator[str]:
    """Yield the files that a task needs, relative to the version directory."""
    if isinstance(task, Generate):
        yield task.tokenizer.file
        if task.encoder is not None:
            yield task.encoder.tokenizer.file
    elif isinstance(task, Translate):
        yield from (task.source_tokenizer.file, task.target_tokenizer.file)
    elif isinstance(task, Predict) and task.tokenizer is not None:
        yield task.tokenizer.file
    elif isinstance(task, Classify) and task.accepts.kind == "text":
        yield task.accepts.tokenizer.file


def _classify(task: Classify, signatures: Signatures) -> Iterator[str]:
    signature = _signature(task.signature, signatures)
    source = _tensor(signature.inputs, task.input, "input")
    yield from _ends_with(
        _tensor(signature.outputs, task.probabilities, "output"), len(task.labels), "one for each label"
    )
    accepts = task.accepts
    if isinstance(accepts, ImageInput) and source.shape[1:] != (
        accepts.height,
        accepts.width,
        accepts.channels,
    ):
        yield f"images are [{accepts.height}, {accepts.width}, {accepts.channels}], input '{source.name}' is {list(source.shape)}"
    if task.attention is not None:
        attention = _tensor(signature.outputs, task.attention, "output")
        if attention.shape != source.shape:
            yield f"'{attention.name}' is {list(attention.shape)}, expected one weight for each token {list(source.shape)}"
    if isinstance(accepts, FeatureInput):
        yield from _ends_with(source, len(accepts.names), "one for each feature")


def _score(task: Score, signatures: Signatures) -> Iterator[str]:
    signature = _signature(task.signature, signatures)
    yield from _ends_with(
        _tensor(signature.inputs, task.input, "input"), len(task.features), "one for each feature"
    )
    yield from _ends_with(
        _tensor(signature.outputs, task.contributions, "output"), len(task.features), "one for each feature"
    )
    for name in (task.score, task.is_anomaly, task.threshold):
        _tensor(signature.outputs, name, "output")
    if _tensor(signature.outputs, task.is_anomaly, "output").dtype != "bool":
        yield f"output '{task.is_anomaly}' is not bool"


def _generate(task: Generate, signatures: Signatures) -> Iterator[str]:
    yield from _step(task.step, task.vocabulary_size, signatures)
    if task.encoder is not None:
        yield from _context(task.encoder.signature, task.encoder.source, task.step, signatures)
    elif task.step.context:
        yield "a generator has no encoder that could give a context"


def _translate(task: Translate, signatures: Signatures) -> Iterator[str]:
    yield from _context(task.encode, task.source, task.step, signatures)
    yield from _step(task.step, task.vocabulary_size, signatures)


def _context(encoder: str, source: str, graph: StepGraph, signatures: Signatures) -> Iterator[str]:
    encode = _signature(encoder, signatures)
    _tensor(encode.inputs, source, "input")
    step = _signature(graph.signature, signatures)
    known = {tensor.name: tensor for tensor in (*encode.outputs, *encode.inputs)}
    for name in graph.context:
        wanted = _tensor(step.inputs, name, "input")
        if name not in known:
            yield f"the encoder has no '{name}' for the step's context"
        elif (known[name].dtype, len(known[name].shape)) != (wanted.dtype, len(wanted.shape)):
            yield f"'{name}' is not the same tensor in the encoder and in the step"


def _step(step: StepGraph, vocabulary: int, signatures: Signatures) -> Iterator[str]:
    signature = _signature(step.signature, signatures)
    for name in (step.tokens, step.lengths, step.positions, step.past_mask, step.mask):
        if name is not None:
            _tensor(signature.inputs, name, "input")
    yield from _ends_with(_tensor(signature.outputs, step.logits, "output"), vocabulary, "one for each token")
    for entry in step.state:
        before = _tensor(signature.inputs, entry.input, "input")
        after = _tensor(signature.outputs, entry.output, "output")
        if before.dtype != after.dtype or len(before.shape) != len(after.shape):
            yield f"state '{entry.input}' and '{entry.output}' are not of one dtype and rank"
        if entry.axis is not None and not 0 < entry.axis < len(before.shape):
            yield f"state '{entry.input}' has no axis {entry.axis} to append to"
    fed = {step.tokens, step.lengths, step.positions, step.past_mask, step.mask, *step.context}
    fed |= {entry.input for entry in step.state}
    if left := {tensor.name for tensor in signature.inputs} - fed:
        yield f"nothing feeds the inputs {sorted(left)} of the step"


def _signature(name: str, signatures: Signatures) -> Signature:
    if name not in signatures:
        raise RecipeError(f"there is no signature '{name}', only {sorted(signatures)}")
    return signatures[name]


def _tensor(tensors: tuple[Tensor, ...], name: str, what: str) -> Tensor:
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise RecipeError(
        f"the task's signature has no {what} '{name}', only {[tensor.name for tensor in tensors]}"
    )


def _ends_with(tensor: Tensor, size: int, why: str) -> Iterator[str]:
    if not tensor.shape or tensor.shape[-1] != size:
        yield f"'{tensor.name}' is {list(tensor.shape)}, expected {size} at the end: {why}"


_PROBLEMS: dict[str, Callable[[Any, Signatures], Iterator[str]]] = {
    "classify": _classify,
    "generate": _generate,
    "translate": _translate,
    "score": _score,
    "predict": lambda _task, _signatures: iter(()),
}
