"""Compare a graph with what its signature says of it, or write the signature of a graph that has none.

Pure functions from declarations to declarations; nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from pydantic import ValidationError

from service.bundle import DType, Signature, Tensor
from service.engine.contracts import GraphTensor, Session
from service.engine.feeds import BATCH
from service.repository.errors import GraphError

_BATCH_NAMES = frozenset({"batch", "batch_size", "N"})
"""What exporters call the axis of independent rows; any other name is no promise that rows are independent."""


def check(signature: Signature, session: Session) -> None:
    """Raise GraphError for the first tensor of `signature` that the graph does not have as promised."""
    for kind, promised, declared in (
        ("input", signature.inputs, session.inputs),
        ("output", signature.outputs, session.outputs),
    ):
        for tensor in promised:
            graph = declared.get(tensor.name)
            if graph is None:
                known = ", ".join(sorted(declared)) or "none"
                raise GraphError(f"'{signature.file}' has no {kind} '{tensor.name}'; it has {known}")
            _check_tensor(f"{kind} '{tensor.name}' of '{signature.file}'", tensor, graph)
    missing = session.inputs.keys() - {tensor.name for tensor in signature.inputs}
    if missing:
        raise GraphError(
            f"'{signature.file}' needs input '{min(missing)}', which its signature does not name"
        )


def _check_tensor(where: str, tensor: Tensor, graph: GraphTensor) -> None:
    if tensor.dtype != graph.dtype:
        raise GraphError(f"{where} is {graph.dtype}, its signature says {tensor.dtype}")
    # Free axes are called differently by the graph; only numbers that contradict each other count.
    fits = len(tensor.shape) == len(graph.shape) and all(
        mine == theirs or not isinstance(theirs, int) or not isinstance(mine, int)
        for mine, theirs in zip(tensor.shape, graph.shape, strict=True)
    )
    if not fits:
        raise GraphError(f"{where} has shape {list(graph.shape)}, its signature says {list(tensor.shape)}")


def describe(file: str, session: Session) -> Signature:
    """Return the signature of a graph that came without one; raises GraphError for types that we cannot feed.

    Rows are taken to be independent, so that requests may share a run, only where axis 0 of every input has a
    name that says so.
    """
    batched = bool(session.inputs) and all(
        bool(tensor.shape) and tensor.shape[0] in _BATCH_NAMES for tensor in session.inputs.values()
    )
    return Signature(
        file=file,
        saved_model_signature="",
        inputs=_tensors(file, session.inputs, batched=batched),
        outputs=_tensors(file, session.outputs, batched=batched),
    )


def _tensors(file: str, declared: Mapping[str, GraphTensor], *, batched: bool) -> tuple[Tensor, ...]:
    return tuple(_tensor(file, name, graph, batched=batched) for name, graph in declared.items())


def _tensor(file: str, name: str, graph: GraphTensor, *, batched: bool) -> Tensor:
    if graph.dtype not in get_args(DType):
        raise GraphError(f"'{name}' of '{file}' is {graph.dtype}, which cannot be served")
    shape: list[int | str] = []
    for axis, size in enumerate(graph.shape):
        if axis == 0 and batched and size in _BATCH_NAMES:
            shape.append(BATCH)
        elif isinstance(size, int) and size >= 0:
            shape.append(size)
        else:
            # An axis may share its name with others, which makes them equal; ours for the nameless are unique.
            shape.append(f"axis {size}" if isinstance(size, str) and size else f"{name} axis {axis}")
    try:
        return Tensor.model_validate({"name": name, "dtype": graph.dtype, "shape": tuple(shape)})
    except ValidationError as error:  # pragma: no cover  # dtype and shape were made above
        raise GraphError(f"'{name}' of '{file}' cannot be described") from error
