"""Manifests of small models, for tests that need no files."""

from collections.abc import Mapping

from service import bundle
from service.bundle import Manifest, Signature, Task, Tensor
from tests.support.gateway import manifest

WIDE = ("batch", 2)


def signature(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Signature:
    """Return a signature of tensors [batch, 2], by name and dtype."""
    return Signature(
        file="model.onnx",
        saved_model_signature="",
        inputs=tuple(Tensor(name=name, dtype=dtype, shape=WIDE) for name, dtype in inputs.items()),
        outputs=tuple(Tensor(name=name, dtype=dtype, shape=WIDE) for name, dtype in outputs.items()),
    )


def of(signatures: Mapping[str, Signature], task: Task | None = None) -> Manifest:
    """Return a manifest whose default signature is the first."""
    return manifest().model_copy(
        update={
            "signatures": dict(signatures),
            "default_signature": next(iter(signatures)),
            "task": task or bundle.Predict(),
        }
    )


ONE = signature({"x": "float32"}, {"y": "float32"})
TWO = signature({"a": "float32", "b": "int64"}, {"c": "float32", "d": "int64"})
TEXT = signature({"text": "string"}, {"same_bytes": "string"})
SCORED = ONE.model_copy(update={"outputs": (Tensor(name="y", dtype="float32", shape=("batch",)),)})
CONSTANT = signature({}, {"y": "float32"})
SCORE = bundle.Score(
    signature="score", input="x", features=("length", "width"), score="y",
    is_anomaly="anomaly", threshold="threshold", contributions="parts",
)  # fmt: skip
