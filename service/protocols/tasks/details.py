"""One model version in detail, as JSON: what it takes and gives, its bounds, and how good it is.

Knows manifests; knows neither HTTP nor gRPC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Self

from service import bundle
from service.bundle import Manifest
from service.domain import ModelId, VersionStatus, Word
from service.protocols import model_states
from service.protocols.tasks.replies import Reply


class TensorReply(Reply):
    """An input or output. `shape` has a number for a fixed axis and a name for a free one."""

    name: str
    dtype: bundle.DType
    shape: list[int | str]
    kind: bundle.Kind

    @classmethod
    def of(cls, tensor: bundle.Tensor) -> Self:
        """Return the document of `tensor`."""
        return cls(name=tensor.name, dtype=tensor.dtype, shape=list(tensor.shape), kind=tensor.kind)


class SignatureReply(Reply):
    """What `predict` takes and gives under a signature's name."""

    inputs: list[TensorReply]
    outputs: list[TensorReply]


class ParityReply(Reply):
    """How far the ONNX graph is from the SavedModel: max |a-b| / (1 + |a|) over all cases."""

    max_relative: float
    tolerance: float
    cases: int


class DetailReply(Reply):
    """One version of a model, for readers of three kinds.

    `created` is in Unix seconds and `owned_by` is there for OpenAI's clients, `model_version_status` (every
    known version) for TensorFlow Serving's.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["sluice"] = "sluice"
    version: int
    word: Word
    created_at: datetime
    default_signature: str
    signatures: dict[str, SignatureReply]
    metrics: dict[str, float]
    parity: dict[str, ParityReply]
    labels: list[str]
    features: list[str]
    limits: dict[str, int]
    model_version_status: list[dict[str, Any]]

    @classmethod
    def of(cls, model: ModelId, manifest: Manifest, statuses: Iterable[VersionStatus] = ()) -> Self:
        """Return the document of a version and its manifest; of `statuses`, only the model's own are told."""
        return cls(
            id=model.name,
            version=model.version,
            word=manifest.task.word,
            created=int(manifest.created.timestamp()),
            created_at=manifest.created,
            default_signature=manifest.default_signature,
            signatures={name: _signature(found) for name, found in manifest.signatures.items()},
            metrics=manifest.metrics,
            parity={
                name: ParityReply(
                    max_relative=found.max_relative, tolerance=found.tolerance, cases=found.cases
                )
                for name, found in manifest.parity.items()
            },
            labels=_labels(manifest.task),
            features=_features(manifest.task),
            limits={**_limits(manifest.task), "max_batch_rows": manifest.batching.max_rows},
            model_version_status=model_states.documents(
                status for status in statuses if status.model.name == model.name
            ),
        )


def _signature(signature: bundle.Signature) -> SignatureReply:
    return SignatureReply(
        inputs=[TensorReply.of(tensor) for tensor in signature.inputs],
        outputs=[TensorReply.of(tensor) for tensor in signature.outputs],
    )


def _labels(task: bundle.Task) -> list[str]:
    return list(task.labels) if isinstance(task, bundle.Classify) else []


def _features(task: bundle.Task) -> list[str]:
    if isinstance(task, bundle.Score):
        return list(task.features)
    if isinstance(task, bundle.Classify) and isinstance(task.accepts, bundle.FeatureInput):
        return list(task.accepts.names)
    return []


def _limits(task: bundle.Task) -> dict[str, int]:
    limits = _present(task, "max_prompt_tokens", "max_source_tokens", "max_new_tokens")
    if isinstance(task, bundle.Classify):
        limits |= _present(task.accepts, "height", "width", "channels", "max_tokens")
    return limits


def _present(part: object, *names: str) -> dict[str, int]:
    return {name: getattr(part, name) for name in names if hasattr(part, name)}
