"""Classify and regress: which signatures can, what they are asked as, and what their outputs mean.

Pure but for the decoding of pictures. All examples of a request are one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from service.bundle import Examples, Manifest
from service.domain import Array, Call, ModelId, ModelRef, PredictAnswer, PredictRequest
from service.errors import Invalid
from service.protocols.tfserving import signatures
from service.protocols.tfserving.examples import Example
from service.protocols.tfserving.faults import quoted
from service.protocols.tfserving.features import FeatureReader

if TYPE_CHECKING:
    from service.gateway import Gateway

Method = Literal["classify", "regress"]
METHOD_NAMES: dict[str, Method] = {
    "tensorflow/serving/classify": "classify",
    "tensorflow/serving/regress": "regress",
}
_NOUNS = {"classify": "classification", "regress": "regression"}


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a model said: float32 [examples, labels] scores, or [examples] values without labels."""

    answer: PredictAnswer
    labels: tuple[str, ...]
    values: Array

    @property
    def model(self) -> ModelId:
        """Who answered."""
        return self.answer.model


class Inference:
    """Asks the gateway for what Examples need."""

    def __init__(self, gateway: Gateway, max_bytes: int) -> None:
        self._gateway = gateway
        self._features = FeatureReader(max_bytes)

    async def run(
        self, ref: ModelRef, asked: str, method: Method, rows: Sequence[Example], call: Call
    ) -> Inferred:
        """Return what a model says of `rows` through the signature that is called `asked`."""
        model, manifest = self._gateway.describe(ref)
        declared = declaration(manifest, asked, method)
        signature = manifest.signatures[declared.signature]
        arrays = await self._features.arrays(rows, declared, signature, call.deadline_at_s)
        if ref.version is None:
            # Pictures take a while: the version whose features were read is the one that answers.
            ref = ModelRef(model.name, model.version)
        request = PredictRequest(arrays, declared.signature, (declared.output,))
        answer = await self._gateway.predict(ref, request, call)
        values: Array = answer.outputs[declared.output].astype("float32")
        return Inferred(answer, declared.labels, values if declared.labels else values.reshape(-1))


def declaration(manifest: Manifest, asked: str, method: Method) -> Examples:
    """Return how a model answers `method` through the signature that is called `asked`.

    Raises Invalid with TensorFlow Serving's texts if it has no such signature, or one of another kind.
    """
    name = signatures.own_name(manifest, asked)
    if name is None:
        raise Invalid(f"No signature was found with the name: {quoted(asked)}", field="signature_name")
    found = next((each for each in manifest.example_signatures() if each.signature == name), None)
    if found is None:
        _refuse(method, "tensorflow/serving/predict")
    if found.method != method:
        _refuse(method, f"tensorflow/serving/{found.method}")
    return found


def _refuse(method: Method, was: str) -> NoReturn:
    raise Invalid(
        f"Expected {_NOUNS[method]} signature method_name to be tensorflow/serving/{method}. Was: {was}",
        field="signature_name",
    )
