"""The same row as every wire asks for it, and how its answer is read.

Knows the public wires by their messages; knows nothing of how they are sent or served.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from loadtests.network import FEATURES, OUTPUTS
from pb import oip_pb2, tasks_pb2, tensorflow_pb2, tfserving_pb2

INPUT, OUTPUT = "features", "logits"


@dataclass(frozen=True, slots=True)
class Wire:
    """How one row of `model` is asked for, and how the numbers of the answer are found in its bytes.

    `address` is a path, or for gRPC a method. The last `binary_bytes` of a body are not JSON.
    """

    name: str
    address: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    is_grpc: bool = False
    binary_bytes: int = 0

    def headers(self, body: bytes) -> dict[str, str]:
        """Return the headers that a body needs beyond the usual."""
        if not self.binary_bytes:
            return {}
        return {"inference-header-content-length": str(len(body) - self.binary_bytes)}


def wires(model: str) -> tuple[Wire, ...]:
    """Return every wire, its requests made for `model`."""
    infer = f"/v2/models/{model}/infer"
    return (
        Wire("task API, JSON", "/v1/predict", _task_json(model), _json("outputs", OUTPUT)),
        Wire(
            "task API, gRPC", "/sluice.v1.Inference/Predict", _task_message(model), _task_reply, is_grpc=True
        ),
        Wire("TF Serving, JSON", f"/v1/models/{model}:predict", _rows, _json("predictions")),
        Wire(
            "TF Serving, gRPC",
            "/tensorflow.serving.PredictionService/Predict",
            _tfserving_message(model),
            _tfserving_reply,
            is_grpc=True,
        ),
        Wire("Open Inference, JSON", infer, _oip_json, _json("outputs", 0, "data")),
        Wire("Open Inference, binary", infer, _oip_binary, _oip_rest, binary_bytes=4 * FEATURES),
        Wire(
            "Open Inference, gRPC",
            "/inference.GRPCInferenceService/ModelInfer",
            _oip_message(model),
            _oip_reply,
            is_grpc=True,
        ),
    )


def _json(*steps: str | int) -> Callable[[bytes], Any]:
    def decode(answer: bytes) -> Any:
        found = orjson.loads(answer)
        for step in steps:
            found = found[step]
        return found

    return decode


def _task_json(model: str) -> Callable[[Any], bytes]:
    return lambda row: orjson.dumps({"model": model, "inputs": {INPUT: row.tolist()}})


def _task_message(model: str) -> Callable[[Any], bytes]:
    def encode(row: Any) -> bytes:
        request = tasks_pb2.PredictRequest(model=tasks_pb2.ModelRef(name=model))
        request.inputs[INPUT].MergeFrom(tasks_pb2.Tensor(dtype="float32", shape=row.shape, raw=row.tobytes()))
        return bytes(request.SerializeToString())

    return encode


def _task_reply(answer: bytes) -> Any:
    return np.frombuffer(tasks_pb2.PredictReply.FromString(answer).outputs[OUTPUT].raw, np.float32)


def _rows(row: Any) -> bytes:
    return orjson.dumps({"instances": row.tolist()})


def _tfserving_message(model: str) -> Callable[[Any], bytes]:
    def encode(row: Any) -> bytes:
        request = tfserving_pb2.PredictRequest(model_spec=tfserving_pb2.ModelSpec(name=model))
        tensor = request.inputs[INPUT]
        tensor.dtype = tensorflow_pb2.DT_FLOAT
        for size in row.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = row.tobytes()
        return bytes(request.SerializeToString())

    return encode


def _tfserving_reply(answer: bytes) -> Any:
    return list(tfserving_pb2.PredictResponse.FromString(answer).outputs[OUTPUT].float_val)


def _oip_tensor(row: Any, **more: Any) -> dict[str, Any]:
    return {"name": INPUT, "datatype": "FP32", "shape": row.shape, **more}


def _oip_json(row: Any) -> bytes:
    return orjson.dumps({"inputs": [_oip_tensor(row, data=row.ravel().tolist())]})


def _oip_binary(row: Any) -> bytes:
    tensor = _oip_tensor(row, parameters={"binary_data_size": row.nbytes})
    head = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return head + bytes(row.tobytes())


def _oip_rest(answer: bytes) -> Any:
    return np.frombuffer(answer[-4 * OUTPUTS :], np.float32)


def _oip_message(model: str) -> Callable[[Any], bytes]:
    def encode(row: Any) -> bytes:
        request = oip_pb2.ModelInferRequest(model_name=model, raw_input_contents=[row.tobytes()])
        request.inputs.add(name=INPUT, datatype="FP32", shape=row.shape)
        return bytes(request.SerializeToString())

    return encode


def _oip_reply(answer: bytes) -> Any:
    return np.frombuffer(oip_pb2.ModelInferResponse.FromString(answer).raw_output_contents[0], np.float32)
