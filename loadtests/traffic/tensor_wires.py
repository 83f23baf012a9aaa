"""Named tensors over every wire that takes them: the task API's predict, TensorFlow Serving, Open Inference.

Knows the public wires by their messages; knows nothing of how they are sent or served. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from loadtests.traffic.catalogue import Model
from loadtests.traffic.checks import Answer
from loadtests.traffic.questions import GRPC, REST, BadAnswerError, Message
from loadtests.traffic.samples import Arrays
from pb import oip_pb2, tasks_pb2, tensorflow_pb2, tfserving_pb2

_OF_TENSORFLOW = {
    "float32": (tensorflow_pb2.DT_FLOAT, "float_val"),
    "float64": (tensorflow_pb2.DT_DOUBLE, "double_val"),
    "int32": (tensorflow_pb2.DT_INT32, "int_val"),
    "int64": (tensorflow_pb2.DT_INT64, "int64_val"),
    "bool": (tensorflow_pb2.DT_BOOL, "bool_val"),
}
_OF_OIP = {
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "bool": "BOOL",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip
_FROM_OIP = {datatype: np.dtype(dtype) for dtype, datatype in _OF_OIP.items()}
_FROM_TENSORFLOW = {number: (np.dtype(dtype), field) for dtype, (number, field) in _OF_TENSORFLOW.items()}


@dataclass(frozen=True, slots=True)
class TensorWire:
    """How tensors of a model are asked for, and how they are found in the answer; `dtypes` it can carry."""

    name: str
    transport: str
    encode: Callable[[Model, Arrays], Message]
    decode: Callable[[Model, bytes], Answer]
    dtypes: frozenset[str]

    def carries(self, model: Model) -> bool:
        """Whether all tensors of the model's default signature can go over this wire."""
        return all(tensor.dtype in self.dtypes for tensor in (*model.inputs, *model.outputs))


def _lists(arrays: Arrays) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays.items()}


def _arrays(model: Model, lists: dict[str, Any]) -> Answer:
    dtypes = {tensor.name: tensor.dtype for tensor in model.outputs}
    return {name: np.asarray(values, dtypes.get(name)) for name, values in lists.items()}


def _ask_task(model: Model, inputs: Arrays) -> Message:
    return Message("/v1/predict", orjson.dumps({"model": model.name, "inputs": _lists(inputs)}))


def _read_task(model: Model, body: bytes) -> Answer:
    return _arrays(model, orjson.loads(body)["outputs"])


def _ask_task_message(model: Model, inputs: Arrays) -> Message:
    request = tasks_pb2.PredictRequest(model=tasks_pb2.ModelRef(name=model.name))
    for name, array in inputs.items():
        tensor = tasks_pb2.Tensor(dtype=array.dtype.name, shape=array.shape, raw=array.tobytes())
        request.inputs[name].MergeFrom(tensor)
    return Message("/sluice.v1.Inference/Predict", bytes(request.SerializeToString()))


def _read_task_message(_: Model, body: bytes) -> Answer:
    outputs = tasks_pb2.PredictReply.FromString(body).outputs
    return {name: np.frombuffer(each.raw, each.dtype).reshape(each.shape) for name, each in outputs.items()}


def _ask_tfserving(model: Model, inputs: Arrays) -> Message:
    return Message(f"/v1/models/{model.name}:predict", orjson.dumps({"inputs": _lists(inputs)}))


def _read_tfserving(model: Model, body: bytes) -> Answer:
    outputs = orjson.loads(body)["outputs"]
    # A single output stands there without its name.
    return _arrays(model, {model.outputs[0].name: outputs} if len(model.outputs) == 1 else outputs)


def _ask_tfserving_message(model: Model, inputs: Arrays) -> Message:
    request = tfserving_pb2.PredictRequest(model_spec=tfserving_pb2.ModelSpec(name=model.name))
    for name, array in inputs.items():
        tensor = request.inputs[name]
        tensor.dtype = _OF_TENSORFLOW[array.dtype.name][0]
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = array.tobytes()
    method = "/tensorflow.serving.PredictionService/Predict"
    return Message(method, bytes(request.SerializeToString()))


def _read_tfserving_message(_: Model, body: bytes) -> Answer:
    outputs = tfserving_pb2.PredictResponse.FromString(body).outputs
    return {name: _of_tensorflow(each) for name, each in outputs.items()}


def _of_tensorflow(tensor: Any) -> Any:
    dtype, field = _FROM_TENSORFLOW[tensor.dtype]
    values = getattr(tensor, field)
    array = np.frombuffer(tensor.tensor_content, dtype) if tensor.tensor_content else np.array(values, dtype)
    return array.reshape([dim.size for dim in tensor.tensor_shape.dim])


def _ask_oip(model: Model, inputs: Arrays) -> Message:
    tensors = [
        {
            "name": name,
            "datatype": _OF_OIP[array.dtype.name],
            "shape": array.shape,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in inputs.items()
    ]
    head = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    return Message(
        f"/v2/models/{model.name}/infer",
        b"".join((head, *(array.tobytes() for array in inputs.values()))),
        {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"},
    )


def _read_oip(_: Model, body: bytes) -> Answer:
    # The header field that says where the JSON ends is the client's business: the JSON says it too.
    head, at = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    answer = {}
    for each in head["outputs"]:
        size = each["parameters"]["binary_data_size"]
        answer[each["name"]] = np.frombuffer(body[at : at + size], _FROM_OIP[each["datatype"]]).reshape(
            each["shape"]
        )
        at += size
    if at != len(body):
        raise BadAnswerError("there are bytes that belong to no output")
    return answer


def _ask_oip_message(model: Model, inputs: Arrays) -> Message:
    request = oip_pb2.ModelInferRequest(model_name=model.name)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=_OF_OIP[array.dtype.name], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    return Message("/inference.GRPCInferenceService/ModelInfer", bytes(request.SerializeToString()))


def _read_oip_message(_: Model, body: bytes) -> Answer:
    reply = oip_pb2.ModelInferResponse.FromString(body)
    return {
        each.name: np.frombuffer(raw, _FROM_OIP[each.datatype]).reshape(each.shape)
        for each, raw in zip(reply.outputs, reply.raw_output_contents, strict=True)
    }


_NUMBERS = frozenset(_OF_OIP)
_TENSORFLOW = frozenset(_OF_TENSORFLOW)
WIRES = (
    TensorWire("predict-rest", REST, _ask_task, _read_task, _NUMBERS),
    TensorWire("predict-grpc", GRPC, _ask_task_message, _read_task_message, _NUMBERS),
    TensorWire("tfserving-rest", REST, _ask_tfserving, _read_tfserving, _NUMBERS),
    TensorWire("tfserving-grpc", GRPC, _ask_tfserving_message, _read_tfserving_message, _TENSORFLOW),
    TensorWire("oip-binary", REST, _ask_oip, _read_oip, _NUMBERS),
    TensorWire("oip-grpc", GRPC, _ask_oip_message, _read_oip_message, _NUMBERS),
)
