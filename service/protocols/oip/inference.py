"""Ask the gateway for what a caller wants, and bring its outputs into the form that was asked for.

Knows the gateway and the protocol's nouns. Knows no wire.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.bundle import Classify, Manifest
from service.domain import Array, Call, ModelId, ModelRef, PredictAnswer, PredictRequest, Timing
from service.errors import Invalid, TooLarge
from service.protocols.oip import binary, datatypes
from service.protocols.oip.asking import Asked, Wanted
from service.protocols.oip.classification import best
from service.protocols.oip.intake import MAX_STRINGS
from service.protocols.oip.reference import naming

if TYPE_CHECKING:
    from service.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Output:
    """One tensor of an answer, whether it is to go as binary data, and whether it is `placed` in shared memory."""

    name: str
    datatype: str
    array: Array
    binary: bool
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Inferred:
    """The answer to one request: who answered, the caller's id, the outputs in the order asked for."""

    model: ModelId
    id: str
    outputs: tuple[Output, ...]
    timing: Timing


def within(call: Call, timeout_s: float | None) -> Call:
    """Return `call` with the deadline brought forward to `timeout_s` from now."""
    if timeout_s is None:
        return call
    return replace(call, deadline_at_s=min(call.deadline_at_s, time.monotonic() + timeout_s))


async def infer(gateway: Gateway, ref: ModelRef, asked: Asked, call: Call) -> Inferred:
    """Return the outputs of a signature of any model; raises whatever `Gateway.predict` raises."""
    request = PredictRequest(asked.inputs, asked.signature, tuple(each.name for each in asked.wanted))
    with naming(ref):
        manifest = None
        if asked.classifies:
            model, manifest = gateway.describe(ref)
            ref = ModelRef(model.name, model.version)  # the labels and the answer must be of one version
        answer = await gateway.predict(ref, request, within(call, asked.timeout_s))
    wanted = asked.wanted or tuple(Wanted(name, asked.binary) for name in answer.outputs)
    outputs = tuple(_output(each, answer, manifest) for each in wanted)
    return Inferred(answer.model, asked.id, outputs, answer.timing)


def _output(wanted: Wanted, answer: PredictAnswer, manifest: Manifest | None) -> Output:
    array = answer.outputs[wanted.name]
    datatype = datatypes.of_array(array.dtype)
    if wanted.place is not None:
        wanted.place.write(wanted.name, binary.encode(array))
    if not wanted.classes:
        return Output(wanted.name, datatype, array, wanted.binary, wanted.place is not None)
    assert manifest is not None, "who classifies has asked for it"
    if datatype == datatypes.BYTES:
        raise Invalid(
            f"output '{wanted.name}': classification is for numbers, not BYTES",
            field=f"outputs.{wanted.name}",
        )
    declared = manifest.signatures[answer.signature].output(wanted.name)
    batched = declared.shape[:1] == ("batch",)
    columns = array.size // max(1, len(array)) if batched else array.size
    if min(wanted.classes, columns) * (len(array) if batched else 1) > MAX_STRINGS:
        raise TooLarge(
            f"output '{wanted.name}': expected at most {MAX_STRINGS} classes in an answer",
            field=f"outputs.{wanted.name}",
        )
    found = best(
        array,
        wanted.classes,
        batched=batched,
        labels=_labels(manifest, answer.signature, wanted.name),
    )
    return Output(wanted.name, datatypes.BYTES, found, wanted.binary)


def _labels(manifest: Manifest, signature: str, output: str) -> tuple[str, ...]:
    task = manifest.task
    known = isinstance(task, Classify) and (task.signature, task.probabilities) == (signature, output)
    return task.labels if known and isinstance(task, Classify) else ()
