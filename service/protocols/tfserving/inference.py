"""Classify and regress: which models can, what they are asked as, and what their outputs mean.

Pure. A model whose task is to classify rows of named features classifies Examples; one that scores them
regresses to the score. Both are one run of the task's own signature, all examples in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from service import bundle
from service.bundle import Manifest
from service.domain import Array, PredictRequest, Tensors
from service.errors import Invalid
from service.protocols.tfserving import examples, signatures
from service.protocols.tfserving.faults import quoted

Method = Literal["classify", "regress"]
METHOD_NAMES: dict[str, Method] = {
    "tensorflow/serving/classify": "classify",
    "tensorflow/serving/regress": "regress",
}
_NOUNS = {"classify": "classification", "regress": "regression"}


@dataclass(frozen=True, slots=True)
class Ability:
    """How a model answers: through `signature`, from `input`'s features to `output`."""

    method: Method
    signature: str
    input: str
    output: str
    features: tuple[str, ...]
    labels: tuple[str, ...]

    def request(self, rows: Sequence[examples.Example], manifest: Manifest) -> PredictRequest:
        """Return the one run that answers all examples; raises Invalid."""
        dtype = manifest.signatures[self.signature].input(self.input).dtype
        array = examples.to_rows(rows, self.features, dtype)
        return PredictRequest({self.input: array}, self.signature, (self.output,))

    def values(self, outputs: Tensors) -> Array:
        """Return float32 [examples, labels] probabilities, or [examples] scores."""
        values: Array = outputs[self.output].astype("float32")
        return values


def ability(manifest: Manifest, asked: str, method: Method) -> Ability:
    """Return how a model answers `method` through the signature that is called `asked`.

    Raises Invalid with TensorFlow Serving's texts if it has no such signature, or one of another kind.
    """
    name = signatures.own_name(manifest, asked)
    if name is None:
        raise Invalid(f"No signature was found with the name: {quoted(asked)}", field="signature_name")
    found = _ability(manifest)
    if found is None or found.signature != name:
        _refuse(method, "tensorflow/serving/predict")
    if found.method != method:
        _refuse(method, f"tensorflow/serving/{found.method}")
    return found


def _refuse(method: Method, was: str) -> NoReturn:
    raise Invalid(
        f"Expected {_NOUNS[method]} signature method_name to be tensorflow/serving/{method}. Was: {was}",
        field="signature_name",
    )


def _ability(manifest: Manifest) -> Ability | None:
    task = manifest.task
    if isinstance(task, bundle.Classify) and isinstance(task.accepts, bundle.FeatureInput):
        return Ability(
            "classify", task.signature, task.input, task.probabilities, task.accepts.names, task.labels
        )
    if isinstance(task, bundle.Score):
        return Ability("regress", task.signature, task.input, task.score, task.features, ())
    return None
