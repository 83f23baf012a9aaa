"""TensorFlow Serving over gRPC: methods from message bytes to message bytes.

Knows messages and the gateway; binding to a server is `service.protocols.rpc`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pb import tfserving_pb2
from service.bundle import Manifest, Signature
from service.config import Place
from service.domain import Call, ModelId, ModelRef, PredictRequest
from service.errors import Invalid, ServiceError, Unsupported
from service.protocols import rpc
from service.protocols.limits import WireLimits
from service.protocols.tfserving import examples, faults, inference, metadata, signatures, standing, tensors
from service.protocols.tfserving.faults import quoted
from service.protocols.tfserving.reload import Reload

if TYPE_CHECKING:
    from service.gateway import Gateway

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
SERVICES = (PREDICTION_SERVICE, MODEL_SERVICE)


def services(
    gateway: Gateway, limits: WireLimits, model_roots: Sequence[Place] = ()
) -> tuple[rpc.RpcService, rpc.RpcService]:
    """Return the methods of both services; a reload may serve what lies below `model_roots`."""
    methods = Methods(gateway, limits.max_body_bytes)
    return (
        rpc.RpcService(
            PREDICTION_SERVICE,
            unary={
                "Predict": methods.predict,
                "Classify": methods.classify,
                "Regress": methods.regress,
                "MultiInference": methods.multi_inference,
                "GetModelMetadata": methods.get_model_metadata,
            },
            streams={},
        ),
        rpc.RpcService(
            MODEL_SERVICE,
            unary={
                "GetModelStatus": methods.get_model_status,
                "HandleReloadConfigRequest": Reload(gateway, model_roots).handle,
            },
            streams={},
            patient=frozenset({"HandleReloadConfigRequest"}),
        ),
    )


class Methods:
    """Each method decodes, asks the gateway and encodes.

    Predict awaits nothing between `describe` and `predict`: the version whose signatures are read answers.
    """

    def __init__(self, gateway: Gateway, max_bytes: int) -> None:
        self._gateway = gateway
        self._inference = inference.Inference(gateway, max_bytes)
        self._max_bytes = max_bytes

    async def predict(self, message: bytes, call: Call) -> bytes:
        """PredictRequest to PredictResponse."""
        body = rpc.parse(tfserving_pb2.PredictRequest, message)
        ref = _ref(body)
        try:
            _, manifest = self._gateway.describe(ref)
            request = _predict_request(body, manifest, self._max_bytes)
            answer = await self._gateway.predict(ref, request, call)
        except ServiceError as error:
            raise faults.told(error, ref) from error
        reply = tfserving_pb2.PredictResponse(model_spec=_spec(answer.model, body.model_spec))
        for name, array in answer.outputs.items():
            reply.outputs[name].CopyFrom(tensors.encode(array))
        return _bytes(reply)

    async def classify(self, message: bytes, call: Call) -> bytes:
        """ClassificationRequest to ClassificationResponse."""
        body = rpc.parse(tfserving_pb2.ClassificationRequest, message)
        found = await self._infer(body.model_spec, "classify", body.input, _ref(body), call)
        return _bytes(
            tfserving_pb2.ClassificationResponse(
                result=_classifications(found), model_spec=_spec(found.model, body.model_spec)
            )
        )

    async def regress(self, message: bytes, call: Call) -> bytes:
        """RegressionRequest to RegressionResponse."""
        body = rpc.parse(tfserving_pb2.RegressionRequest, message)
        found = await self._infer(body.model_spec, "regress", body.input, _ref(body), call)
        return _bytes(
            tfserving_pb2.RegressionResponse(
                result=_regressions(found), model_spec=_spec(found.model, body.model_spec)
            )
        )

    async def multi_inference(self, message: bytes, call: Call) -> bytes:
        """MultiInferenceRequest to MultiInferenceResponse."""
        body = rpc.parse(tfserving_pb2.MultiInferenceRequest, message)
        _check_tasks(body.tasks)
        reply = tfserving_pb2.MultiInferenceResponse()
        for task in body.tasks:
            method = inference.METHOD_NAMES[task.method_name]
            found = await self._infer(task.model_spec, method, body.input, _ref(task), call)
            result = reply.results.add(model_spec=_spec(found.model, task.model_spec))
            if method == "classify":
                result.classification_result.CopyFrom(_classifications(found))
            else:
                result.regression_result.CopyFrom(_regressions(found))
        return _bytes(reply)

    async def get_model_metadata(self, message: bytes, _: Call) -> bytes:
        """GetModelMetadataRequest to GetModelMetadataResponse."""
        body = rpc.parse(tfserving_pb2.GetModelMetadataRequest, message)
        ref = _ref(body)
        metadata.check_fields(body.metadata_field)
        try:
            return _bytes(metadata.message(*self._gateway.describe(ref)))
        except ServiceError as error:
            raise faults.told(error, ref) from error

    async def get_model_status(self, message: bytes, _: Call) -> bytes:
        """GetModelStatusRequest to GetModelStatusResponse."""
        body = rpc.parse(tfserving_pb2.GetModelStatusRequest, message)
        return _bytes(standing.message(standing.meant(self._gateway.statuses(), _ref(body))))

    async def _infer(
        self, spec: Any, method: inference.Method, given: Any, ref: ModelRef, call: Call
    ) -> inference.Inferred:
        try:
            rows = examples.from_input(given)
            return await self._inference.run(ref, spec.signature_name, method, rows, call)
        except ServiceError as error:
            raise faults.told(error, ref) from error


def _ref(body: Any) -> ModelRef:
    if not body.HasField("model_spec"):
        raise Invalid("Missing ModelSpec", field="model_spec")
    spec = body.model_spec
    if not spec.name:
        raise Invalid("ModelSpec has no name specified.", field="model_spec.name")
    which = spec.WhichOneof("version_choice")
    return ModelRef(
        spec.name,
        spec.version.value if which == "version" else None,
        spec.version_label if which == "version_label" else None,
    )


def _spec(model: ModelId, asked: Any) -> Any:
    spec = tfserving_pb2.ModelSpec(name=model.name, signature_name=asked.signature_name or signatures.DEFAULT)
    spec.version.value = model.version
    return spec


def _predict_request(body: Any, manifest: Manifest, max_bytes: int) -> PredictRequest:
    asked = body.model_spec.signature_name
    name = signatures.own_name(manifest, asked)
    if name is None:
        raise Invalid(
            f'Serving signature key "{quoted(asked)}" not found.', field="model_spec.signature_name"
        )
    signature = manifest.signatures[name]
    _check_inputs(body.inputs, signature)
    _check_filter(body.output_filter, signature)
    arrays = tensors.decode_all(body.inputs, max_bytes)
    return PredictRequest(arrays, name, tuple(body.output_filter))


def _check_inputs(inputs: Any, signature: Signature) -> None:
    known = {tensor.name: tensor for tensor in signature.inputs}
    given = set(inputs)
    if len(given) != len(known):
        raise Invalid(
            f"input size does not match signature: {len(given)}!={len(known)} len({{{_set(given)}}}) != "
            f"len({{{_set(known)}}}). Sent extra: {{{_set(given - known.keys())}}}. Missing but required: "
            f"{{{_set(known.keys() - given)}}}.",
            field="inputs",
        )
    for name, tensor in inputs.items():
        if name not in known:
            raise Invalid(
                f"input tensor alias not found in signature: {quoted(name)}. Inputs expected to be in the set "
                f"{{{_set(known)}}}.",
                field="inputs",
            )
        expected = signatures.DATA_TYPES[known[name].dtype]
        if tensor.dtype != expected:
            raise Invalid(
                f"input tensor {name}: expected {tensors.dtype_name(expected)} but "
                f"{tensors.dtype_name(tensor.dtype)} is provided",
                field=f"inputs.{name}",
            )


def _check_filter(names: Any, signature: Signature) -> None:
    known = {tensor.name for tensor in signature.outputs}
    seen: set[str] = set()
    for name in names:
        if name not in known:
            raise Invalid(
                f"output tensor alias not found in signature: {quoted(name)} Outputs expected to be in the set "
                f"{{{_set(known)}}}.",
                field="output_filter",
            )
        if name in seen:
            raise Invalid(f"duplicate output tensor alias: {name}", field="output_filter")
        seen.add(name)


def _check_tasks(tasks: Any) -> None:
    if not tasks:
        raise Invalid("Inference request has no tasks", field="tasks")
    seen: set[str] = set()
    for task in tasks:
        if not task.model_spec.name:
            raise Invalid("Found ModelSpec with an empty model name.", field="tasks")
        if task.model_spec.name != tasks[0].model_spec.name:
            raise Invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name.", field="tasks"
            )
        name = task.model_spec.signature_name or signatures.DEFAULT
        if name in seen:
            raise Invalid(f"Duplicate evaluation of signature: {quoted(name)}", field="tasks")
        seen.add(name)
        if task.method_name not in inference.METHOD_NAMES:
            raise Unsupported(f"Unsupported signature method_name: {quoted(task.method_name)}", field="tasks")


def _set(names: Any) -> str:
    return quoted(",".join(sorted(names)))


def _classifications(found: inference.Inferred) -> Any:
    result = tfserving_pb2.ClassificationResult()
    for row in found.values.tolist():
        classes = result.classifications.add().classes
        for label, score in zip(found.labels, row, strict=True):
            classes.add(label=label, score=score)
    return result


def _regressions(found: inference.Inferred) -> Any:
    return tfserving_pb2.RegressionResult(
        regressions=[tfserving_pb2.Regression(value=value) for value in found.values.tolist()]
    )


def _bytes(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString()
    return serialized
