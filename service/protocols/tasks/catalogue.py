"""The protobuf messages that tell what models there are.

Pure. A version's details are those of `details`, so that both wires tell the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pb import tasks_pb2
from service.bundle import Manifest
from service.domain import ModelId, ModelSummary
from service.protocols.tasks.details import DetailReply, TensorReply


def encode_models(models: Iterable[ModelSummary]) -> bytes:
    """Return a ListModelsReply."""
    reply: bytes = tasks_pb2.ListModelsReply(models=[_summary(model) for model in models]).SerializeToString()
    return reply


def encode_model(model: ModelId, manifest: Manifest) -> bytes:
    """Return a GetModelReply."""
    detail = DetailReply.of(model, manifest)
    message = tasks_pb2.GetModelReply(
        model=tasks_pb2.ModelId(name=model.name, version=model.version),
        word=detail.word,
        created=detail.created_at.isoformat(),
        default_signature=detail.default_signature,
        metrics=detail.metrics,
        labels=detail.labels,
        features=detail.features,
        limits=detail.limits,
    )
    for name, signature in detail.signatures.items():
        message.signatures[name].inputs.extend(map(_tensor, signature.inputs))
        message.signatures[name].outputs.extend(map(_tensor, signature.outputs))
    for name, parity in detail.parity.items():
        message.parity[name].CopyFrom(tasks_pb2.Parity(**parity.model_dump()))
    reply: bytes = message.SerializeToString()
    return reply


def _summary(model: ModelSummary) -> Any:
    versions = [
        tasks_pb2.VersionStatus(
            version=status.model.version, state=status.state, reason=status.reason, labels=status.labels
        )
        for status in model.versions
    ]
    return tasks_pb2.ModelSummary(
        name=model.name, word=model.word, versions=versions, metrics=dict(model.metrics)
    )


def _tensor(tensor: TensorReply) -> Any:
    shape = [
        tasks_pb2.Axis(size=axis) if isinstance(axis, int) else tasks_pb2.Axis(name=axis)
        for axis in tensor.shape
    ]
    return tasks_pb2.TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=shape, kind=tensor.kind)
