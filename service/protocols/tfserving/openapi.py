"""What the OpenAPI document says of TensorFlow Serving's routes.

Pure. Knows the wire's fields; knows no model.
"""

from __future__ import annotations

from typing import Any

from service.protocols import openapi
from service.protocols.openapi import NAME, TEXT, VERSION, WHATEVER, Part, Schema, list_of, object_of, ref

ROOT = "/v1/models/{name}"
PLACES = ("", "/versions/{version}", "/labels/{label}")
"""Which version is meant: the one by default, one by its number, one by a label."""

_PARAMETERS = {"name": NAME, "version": VERSION, "label": NAME}
_SIGNATURE = {"signature_name": {"type": "string", "description": "`serving_default` if not given."}}
_NUMBER: Schema = {"description": "A number; NaN, Infinity and -Infinity are bare words."}
_PREDICT: Schema = {
    "type": "object",
    "description": "`instances` (a value, or an object of inputs, for each row) or `inputs` (whole tensors).",
    "properties": {**_SIGNATURE, "instances": {"type": "array", "minItems": 1}, "inputs": WHATEVER},
    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
}
_EXAMPLE: Schema = {"type": "object", "additionalProperties": {"description": "A value, or a list of them."}}
_EXAMPLES = object_of({"examples": {**list_of(_EXAMPLE), "minItems": 1}}, {**_SIGNATURE, "context": _EXAMPLE})
_STATUS = object_of(
    {
        "model_version_status": list_of(
            object_of(
                {
                    "version": TEXT,
                    "state": TEXT,
                    "status": object_of({"error_code": TEXT, "error_message": TEXT}),
                }
            )
        )
    }
)
_METADATA = object_of(
    {
        "model_spec": object_of({"name": TEXT, "version": TEXT}, {"signature_name": TEXT}),
        "metadata": {"type": "object"},
    }
)
_FEATURES = {"examples": [{"radius": 13.2, "texture": 18.1}]}
_SCHEMAS: dict[str, Schema] = {
    "TFServingError": object_of({"error": TEXT}),
    "TFServingPredictBody": _PREDICT,
    "TFServingPredictReply": {
        "type": "object",
        "properties": {"predictions": list_of(_NUMBER), "outputs": WHATEVER},
    },
    "TFServingExamplesBody": _EXAMPLES,
    "TFServingResultsReply": object_of({"results": list_of(WHATEVER)}),
    "TFServingStatusReply": _STATUS,
    "TFServingMetadataReply": _METADATA,
}


def part() -> Part:
    """Return the part of the document that is about this wire; a model's own status is among the models."""
    paths: dict[str, dict[str, Any]] = {}
    for place in PLACES:
        where = ROOT + place
        paths[f"{where}:predict"] = {"post": _predict(where)}
        paths[f"{where}:classify"] = {"post": _by_examples(where, "The labels of each example with scores.")}
        paths[f"{where}:regress"] = {"post": _by_examples(where, "A number for each example.")}
        paths[f"{where}/metadata"] = {"get": _get(where, "The signatures.", "TFServingMetadataReply")}
        if place:
            paths[where] = {"get": _get(where, "Where the version stands.", "TFServingStatusReply")}
    return Part(paths, _SCHEMAS)


def _predict(where: str) -> Schema:
    examples = {"rows": {"instances": [[0.1, 0.2]]}, "columns": {"inputs": {"features": [[0.1, 0.2]]}}}
    body = openapi.body(ref("TFServingPredictBody"), examples)
    return {**_get(where, "Tensors in, tensors out.", "TFServingPredictReply"), "requestBody": body}


def _by_examples(where: str, summary: str) -> Schema:
    body = openapi.body(ref("TFServingExamplesBody"), {"features": _FEATURES})
    return {**_get(where, summary, "TFServingResultsReply"), "requestBody": body}


def _get(where: str, summary: str, reply: str) -> Schema:
    return {
        "tags": ["TensorFlow Serving"],
        "summary": summary,
        "parameters": openapi.path_parameters(where, _PARAMETERS),
        "responses": {
            "200": openapi.answer(summary, ref(reply)),
            **openapi.failures(ref("TFServingError")),
        },
    }
