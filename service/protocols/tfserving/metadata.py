"""A model's signatures as TensorFlow Serving tells them: `SignatureDefMap`, and its JSON.

Pure. Knows manifests; knows no request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage

from pb import tensorflow_pb2, tfserving_pb2
from service.bundle import Manifest, Tensor
from service.domain import ModelId
from service.errors import Invalid
from service.protocols.tfserving import signatures
from service.protocols.tfserving.faults import quoted

PREDICT_METHOD = "tensorflow/serving/predict"
FIELD = "signature_def"


def check_fields(fields: Iterable[str]) -> None:
    """Raise Invalid unless the one thing asked for is the signatures."""
    asked = list(fields)
    if not asked:
        raise Invalid(
            "GetModelMetadataRequest must specify at least one metadata_field", field="metadata_field"
        )
    unknown = next((field for field in asked if field != FIELD), None)
    if unknown is not None:
        raise Invalid(f"Metadata field {quoted(unknown)} is not supported", field="metadata_field")


def message(model: ModelId, manifest: Manifest) -> Any:
    """Return a GetModelMetadataResponse."""
    reply = tfserving_pb2.GetModelMetadataResponse()
    reply.model_spec.name = model.name
    reply.model_spec.version.value = model.version
    known = tfserving_pb2.SignatureDefMap()
    for name, signature in signatures.named(manifest).items():
        definition = known.signature_def[name]
        definition.method_name = PREDICT_METHOD
        for tensors, infos in (
            (signature.inputs, definition.inputs),
            (signature.outputs, definition.outputs),
        ):
            for tensor in tensors:
                infos[tensor.name].CopyFrom(_info(tensor))
    packed = AnyMessage()
    packed.Pack(known)
    reply.metadata[FIELD].CopyFrom(packed)
    return reply


def _info(tensor: Tensor) -> Any:
    shape = tensorflow_pb2.TensorShapeProto(
        dim=[tensorflow_pb2.TensorShapeProto.Dim(size=_size(axis)) for axis in tensor.shape]
    )
    return tensorflow_pb2.TensorInfo(
        name=f"{tensor.name}:0", dtype=signatures.DATA_TYPES[tensor.dtype], tensor_shape=shape
    )


def _size(axis: int | str) -> int:
    return axis if isinstance(axis, int) else -1


def document(model: ModelId, manifest: Manifest) -> dict[str, object]:
    """Return the JSON document, shaped as TensorFlow Serving's."""
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {
            FIELD: {
                FIELD: {
                    name: {
                        "inputs": {tensor.name: _document(tensor) for tensor in signature.inputs},
                        "outputs": {tensor.name: _document(tensor) for tensor in signature.outputs},
                        "method_name": PREDICT_METHOD,
                        "defaults": {},
                    }
                    for name, signature in signatures.named(manifest).items()
                }
            }
        },
    }


def _document(tensor: Tensor) -> dict[str, object]:
    return {
        "dtype": tensorflow_pb2.DataType.Name(signatures.DATA_TYPES[tensor.dtype]),
        "tensor_shape": {
            "dim": [{"size": str(_size(axis)), "name": ""} for axis in tensor.shape],
            "unknown_rank": False,
        },
        "name": f"{tensor.name}:0",
    }
