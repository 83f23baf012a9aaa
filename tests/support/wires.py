"""Each wire as a function from a model's input arrays to its outputs, over a running gateway.

Knows each wire by its own messages, and none of the gateway's codecs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import onnxruntime
import orjson

from pb import (
    oip_pb2,
    oip_pb2_grpc,
    tasks_pb2,
    tasks_pb2_grpc,
    tensorflow_pb2,
    tfserving_pb2,
    tfserving_pb2_grpc,
)
from service import bundle

Arrays = dict[str, np.ndarray]
Answer = dict[str, Any]
"""Outputs by name: arrays where the wire says the dtype, nested lists where it does not."""

OF_TENSORFLOW = {
    "DT_FLOAT": (np.float32, "float_val"),
    "DT_INT32": (np.int32, "int_val"),
    "DT_BOOL": (np.bool_, "bool_val"),
}
OF_OIP = {"FP32": np.float32, "INT32": np.int32, "BOOL": np.bool_}
TO_OIP = {np.dtype(dtype): name for name, dtype in OF_OIP.items()}


@dataclass(frozen=True)
class Wires:
    """The newcomer's gateway, whose models' files are at hand too."""

    home: Path
    http: httpx.Client
    channel: grpc.Channel

    def post(self, path: str, body: object) -> Any:
        response = self.http.post(path, content=orjson.dumps(body))
        assert response.status_code == 200, response.text
        return orjson.loads(response.content)

    def version(self, model: str) -> Path:
        return self.home / "models" / model / "1"

    def recorded(self, model: str) -> list[str]:
        """Return the signatures that export recorded a request for: those that the SavedModel has too."""
        return [golden.signature for golden in bundle.read(self.version(model)).golden]

    def inputs(self, model: str, signature: str = "serving_default") -> Arrays:
        """Return the inputs that export recorded, the default signature's: four rows of the model's own kind."""
        if signature == "serving_default":
            signature = bundle.read(self.version(model)).default_signature
        with np.load(self.version(model) / f"assets.extra/golden-{signature}.npz") as golden:
            return {name.removeprefix("in."): golden[name] for name in golden.files if name.startswith("in.")}

    def bare(self, model: str, inputs: Arrays, graph: str = "model.onnx") -> Arrays:
        session = onnxruntime.InferenceSession(
            self.version(model) / graph, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))


def lists(inputs: Arrays) -> dict[str, Any]:
    return {name: array.tolist() for name, array in inputs.items()}


def tasks_rest(wires: Wires, model: str, inputs: Arrays) -> Answer:
    return wires.post("/v1/predict", {"model": model, "inputs": lists(inputs)})["outputs"]


def tasks_grpc(wires: Wires, model: str, inputs: Arrays) -> Answer:
    request = tasks_pb2.PredictRequest(model=tasks_pb2.ModelRef(name=model))
    for name, array in inputs.items():
        request.inputs[name].MergeFrom(
            tasks_pb2.Tensor(dtype=array.dtype.name, shape=array.shape, raw=array.tobytes())
        )
    outputs = tasks_pb2_grpc.InferenceStub(wires.channel).Predict(request).outputs
    return {name: np.frombuffer(each.raw, each.dtype).reshape(each.shape) for name, each in outputs.items()}


def tfserving_rows(wires: Wires, model: str, inputs: Arrays) -> Answer:
    rows = [dict(zip(inputs, row, strict=True)) for row in zip(*lists(inputs).values(), strict=True)]
    predictions = wires.post(f"/v1/models/{model}:predict", {"instances": rows})["predictions"]
    return by_name(wires, model, predictions) or {
        name: [row[name] for row in predictions] for name in predictions[0]
    }


def tfserving_columns(wires: Wires, model: str, inputs: Arrays) -> Answer:
    outputs = wires.post(f"/v1/models/{model}:predict", {"inputs": lists(inputs)})["outputs"]
    return by_name(wires, model, outputs) or outputs


def by_name(wires: Wires, model: str, value: Any) -> Answer | None:
    """Return a single output under the name that TensorFlow Serving leaves out, None if there are several."""
    names = [output.name for output in bundle.read(wires.version(model)).default.outputs]
    return {names[0]: value} if len(names) == 1 else None


def tfserving_grpc(wires: Wires, model: str, inputs: Arrays) -> Answer:
    request = tfserving_pb2.PredictRequest(model_spec=tfserving_pb2.ModelSpec(name=model))
    for name, array in inputs.items():
        dtype = {"float32": "DT_FLOAT", "int32": "DT_INT32"}[array.dtype.name]
        dims = [tensorflow_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
        request.inputs[name].dtype = tensorflow_pb2.DataType.Value(dtype)
        request.inputs[name].tensor_shape.dim.extend(dims)
        request.inputs[name].tensor_content = array.tobytes()
    outputs = tfserving_pb2_grpc.PredictionServiceStub(wires.channel).Predict(request).outputs
    return {name: of_tensor(each) for name, each in outputs.items()}


def of_tensor(tensor: tensorflow_pb2.TensorProto) -> np.ndarray:
    dtype, field = OF_TENSORFLOW[tensorflow_pb2.DataType.Name(tensor.dtype)]
    return np.array(getattr(tensor, field), dtype).reshape([dim.size for dim in tensor.tensor_shape.dim])


def oip_json(wires: Wires, model: str, inputs: Arrays) -> Answer:
    tensors = [
        {"name": name, "datatype": TO_OIP[array.dtype], "shape": array.shape, "data": array.ravel().tolist()}
        for name, array in inputs.items()
    ]
    outputs = wires.post(f"/v2/models/{model}/infer", {"inputs": tensors})["outputs"]
    return {
        each["name"]: np.array(each["data"], OF_OIP[each["datatype"]]).reshape(each["shape"])
        for each in outputs
    }


def oip_binary(wires: Wires, model: str, inputs: Arrays) -> Answer:
    tensors = [
        {
            "name": name,
            "datatype": TO_OIP[array.dtype],
            "shape": array.shape,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in inputs.items()
    ]
    head = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    response = wires.http.post(
        f"/v2/models/{model}/infer",
        content=b"".join((head, *(array.tobytes() for array in inputs.values()))),
        headers={"inference-header-content-length": str(len(head))},
    )
    length = int(response.headers["inference-header-content-length"])
    answer, rest = {}, response.content[length:]
    for each in orjson.loads(response.content[:length])["outputs"]:
        size = each["parameters"]["binary_data_size"]
        answer[each["name"]] = np.frombuffer(rest[:size], OF_OIP[each["datatype"]]).reshape(each["shape"])
        rest = rest[size:]
    assert rest == b""
    return answer


def oip_grpc(wires: Wires, model: str, inputs: Arrays, signature: str | None = None) -> Answer:
    request = oip_pb2.ModelInferRequest(model_name=model)
    if signature is not None:
        request.parameters["signature"].string_param = signature
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=TO_OIP[array.dtype], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    reply = oip_pb2_grpc.GRPCInferenceServiceStub(wires.channel).ModelInfer(request)
    return {
        each.name: np.frombuffer(raw, OF_OIP[each.datatype]).reshape(each.shape)
        for each, raw in zip(reply.outputs, reply.raw_output_contents, strict=True)
    }


WIRES: dict[str, Callable[[Wires, str, Arrays], Answer]] = {
    "predict over REST": tasks_rest,
    "predict over gRPC": tasks_grpc,
    "TensorFlow Serving REST by row": tfserving_rows,
    "TensorFlow Serving REST by column": tfserving_columns,
    "TensorFlow Serving gRPC": tfserving_grpc,
    "Open Inference Protocol JSON": oip_json,
    "Open Inference Protocol binary": oip_binary,
    "Open Inference Protocol gRPC": oip_grpc,
}
