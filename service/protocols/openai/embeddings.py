"""Embeddings, for models with a signature called `embed` or `embedding`.

Knows the wire's fields and signatures; knows nothing of HTTP. The signature has one output [batch, size] of
floats (or one called as the signature), and takes either one string tensor [batch], or token ids [batch, time]
with whatever follows from their number: lengths, mask, positions. If the manifest has a tokenizer, texts become ids.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.bundle import Predict, Signature, Tensor
from service.domain import Array, Call, ModelRef, PredictRequest, Tensors
from service.errors import Internal, Invalid, ServiceError, Unsupported
from service.protocols.openai import bodies

if TYPE_CHECKING:
    from service.gateway import Gateway

SIGNATURES = ("embed", "embedding")
_FILLED = frozenset({"lengths", "mask", "positions"})


async def answer(gateway: Gateway, body: bytes, call: Call) -> dict[str, Any]:
    """Return the document that answers `body`; raises ServiceError that names the field."""
    asked = bodies.decode(body, bodies.EmbeddingBody)
    model, manifest = gateway.describe(asked.ref())
    name = next((name for name in SIGNATURES if name in manifest.signatures), None)
    if name is None:
        raise Unsupported(f"model '{model.name}' has no signature for embeddings", field="model")
    signature = manifest.signatures[name]
    output = _output(signature, name)
    _check_size(asked.dimensions, signature, output)
    task = manifest.task
    groups = grouped(asked.input, signature, reads=isinstance(task, Predict) and task.tokenizer is not None)
    rows: dict[int, Array] = {}
    for places, feeds in groups:
        request = PredictRequest(feeds, name, (output,))
        embedded = await _embed(gateway, ModelRef(model.name, model.version), request, call)
        rows.update(zip(places, embedded.outputs[output], strict=True))
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(rows[index], asked.encoding_format)}
        for index in sorted(rows)
    ]
    tokens = _count(asked.input)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model.name, "usage": usage}


async def _embed(gateway: Gateway, ref: ModelRef, request: PredictRequest, call: Call) -> Any:
    try:
        return await gateway.predict(ref, request, call)
    except ServiceError as error:
        if error.field is not None and error.field.startswith("inputs"):
            error.field = "input"
        raise


def grouped(value: object, signature: Signature, *, reads: bool = False) -> list[tuple[list[int], Tensors]]:
    """Return the feeds for `value`, and which of its items each row is; items of one length share a run.

    A model that `reads` takes texts in the place of token ids. Raises Invalid (field `input`) if the signature does not take such values.
    """
    items = _items(value)
    tokens = _input(signature)
    if isinstance(items[0], str):
        if tokens.dtype != "string" and not (reads and tokens.kind == "token_ids"):
            raise Invalid("expected token ids: this model takes no text", field="input")
        return [(list(range(len(items))), {tokens.name: np.array(items, object)})]
    if tokens.kind != "token_ids":
        raise Invalid("expected text: this model takes no token ids", field="input")
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, ids in enumerate(items):
        by_length[len(ids)].append(index)
    return [(places, _feeds([items[place] for place in places], signature)) for places in by_length.values()]


def _items(value: object) -> list[Any]:
    """Return the texts or the lists of ids that `value` is."""
    items = [value] if isinstance(value, str) or _are_ids(value) else value
    if not isinstance(items, list) or not items:
        raise _wrong()
    if len(items) > bodies.MAX_INPUTS:
        raise Invalid(f"expected at most {bodies.MAX_INPUTS} inputs, got {len(items)}", field="input")
    if not (all(isinstance(item, str) and item for item in items) or all(map(_are_ids, items))):
        raise _wrong()
    return items


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _wrong() -> Invalid:
    return Invalid(
        "expected a string, a list of strings, a list of token ids, or a list of such lists, none empty",
        field="input",
    )


def _count(value: object) -> int:
    """Return how many token ids came; a text's tokens are counted nowhere."""
    return sum(len(item) for item in _items(value) if isinstance(item, list))


def _input(signature: Signature) -> Tensor:
    free = [tensor for tensor in signature.inputs if tensor.kind not in _FILLED]
    if len(free) != 1:
        raise Unsupported("this model's embeddings need more than one input", field="model")
    return free[0]


def _feeds(rows: Sequence[Sequence[int]], signature: Signature) -> Tensors:
    count, length = len(rows), len(rows[0])
    filled = {
        "lengths": np.full(count, length),
        "mask": np.ones((count, length)),
        "positions": np.tile(np.arange(length), (count, 1)),
    }
    tokens = _input(signature)
    if any(not -(2**31) <= token < 2**31 for row in rows for token in row):
        raise Invalid("expected token ids of 32 bits", field="input")
    return {
        tensor.name: np.array(rows if tensor is tokens else filled[tensor.kind]).astype(tensor.dtype)
        for tensor in signature.inputs
    }


def _output(signature: Signature, name: str) -> str:
    names = [tensor.name for tensor in signature.outputs]
    if len(names) == 1:
        return names[0]
    if name in names:
        return name
    raise Unsupported(f"none of the outputs {', '.join(names)} is called '{name}'", field="model")


def _check_size(wanted: int | None, signature: Signature, output: str) -> None:
    """Raise Invalid if another size than the model's own is wanted: a part of an embedding is not one."""
    shape = signature.output(output).shape
    size = shape[1] if len(shape) > 1 else 1
    if wanted is not None and wanted != size:
        raise Invalid(f"this model's embeddings have {size} dimensions, got {wanted}", field="dimensions")


def _encoded(row: Array, form: str) -> list[float] | str:
    """Return one embedding as numbers, or as base64 of little-endian float32."""
    values = np.ascontiguousarray(row, "<f4").reshape(-1)
    if form == "base64":
        return base64.b64encode(values.tobytes()).decode("ascii")
    if not np.isfinite(values).all():
        raise Internal("the model gave numbers that JSON cannot say; ask for base64")
    return [float(value) for value in values]
