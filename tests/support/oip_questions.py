"""Requests of the Open Inference Protocol, right ones and wrong ones, to be put to any server of `multiply` and `mixed`.

Knows the wire by its messages. Knows no server.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

from pb import oip_pb2 as pb

Rest = tuple[str, str, bytes, Mapping[str, str]]
"""Method, path, body and headers."""
Rpc = tuple[str, Any, Any]
"""Method, message and the type of the answer."""

X = struct.pack("<4f", 1, 2, 3, 4)
HEADER = "inference-header-content-length"
INFER = "/v2/models/multiply/infer"
KEY = "sluice_oracle"
"""The shared memory object that must be there: 64 bytes, of which the first 16 are `X`."""


MIXED_INPUTS = [
    {"name": "count", "datatype": "INT64", "shape": [1, 2], "data": [1, -2]},
    {"name": "flag", "datatype": "BOOL", "shape": [1, 2], "data": [True, False]},
    {"name": "half", "datatype": "FP16", "shape": [1, 2], "data": [0.5, 2]},
]


def tensor(**changes: Any) -> dict[str, Any]:
    """Return the input of `multiply` with some members changed, those that are None left out."""
    found = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4], **changes}
    return {name: value for name, value in found.items() if value is not None}


def post(document: object, path: str = INFER, **headers: str) -> Rest:
    return ("POST", path, document if isinstance(document, bytes) else json.dumps(document).encode(), headers)


def infer(*tensors: dict[str, Any], path: str = INFER, **members: Any) -> Rest:
    return post({"inputs": list(tensors), **members}, path)


def output(**parameters: Any) -> list[dict[str, Any]]:
    return [{"name": "y", "parameters": parameters}]


def packed(size: Any = 16, data: bytes = X, length: Any = None, **members: Any) -> Rest:
    """Return a request whose input is binary."""
    given = tensor(data=None, parameters={"binary_data_size": size})
    head = json.dumps({"inputs": [given], **members}).encode()
    return ("POST", INFER, head + data, {HEADER: str(len(head) if length is None else length)})


def mixed() -> Rest:
    """Return a request for all outputs of `mixed` with its inputs in binary."""
    data = {"count": struct.pack("<2q", 1, -2), "flag": b"\1\0", "half": struct.pack("<2e", 0.5, 2)}
    inputs = [
        {
            **{name: each[name] for name in ("name", "datatype", "shape")},
            "parameters": {"binary_data_size": size},
        }
        for each in MIXED_INPUTS
        for size in [len(data[each["name"]])]
    ]
    names = ("halves", "inverted", "doubled")
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    document = {"inputs": inputs, "outputs": wanted}
    head = json.dumps(document).encode()
    body = head + b"".join(data.values())
    return ("POST", "/v2/models/mixed/infer", body, {HEADER: str(len(head))})


def shared(**parameters: Any) -> dict[str, Any]:
    return tensor(data=None, parameters={"shared_memory_region": "r", **parameters})


def get(path: str) -> Rest:
    return ("GET", f"/v2{path}", b"", {})


MODEL = "/models/multiply"
REGION = "/v2/systemsharedmemory/region/r"
REST: dict[str, Rest] = {
    "server": get(""),
    "live": get("/health/live"),
    "ready": get("/health/ready"),
    "model": get(MODEL),
    "model by version": get(f"{MODEL}/versions/1"),
    "unknown version": get(f"{MODEL}/versions/9"),
    "version 0": get(f"{MODEL}/versions/0"),
    "version of letters": get(f"{MODEL}/versions/x"),
    "unknown model": get("/models/nothing"),
    "model ready": get(f"{MODEL}/ready"),
    "unknown model ready": get("/models/nothing/ready"),
    "configuration": get(f"{MODEL}/config"),
    "configuration of unknown model": get("/models/nothing/config"),
    "mixed model": get("/models/mixed"),
    "index": post(b"", "/v2/repository/index"),
    "index of ready ones": post({"ready": True}, "/v2/repository/index"),
    "index with a number": post({"ready": 1}, "/v2/repository/index"),
    "index by GET": get("/repository/index"),
    "trace": get("/trace/setting"),
    "log": get("/logging"),
    "load": post(b"", "/v2/repository/models/multiply/load"),
    "unload": post(b"", "/v2/repository/models/multiply/unload"),
    "no route": get("/nothing"),
    "infer by GET": get(f"{MODEL}/infer"),
    "model by POST": post(b"", "/v2/models/multiply"),
    "infer": infer(tensor()),
    "id": infer(tensor(), id="a"),
    "nested data": infer(tensor(data=[[1, 2, 3, 4]])),
    "one output": infer(tensor(), outputs=[{"name": "y"}]),
    "no outputs named": infer(tensor(), outputs=[]),
    "output twice": infer(tensor(), outputs=[{"name": "y"}, {"name": "y"}]),
    "own parameter": infer(tensor(), parameters={"mine": 1}),
    "infer by version": infer(tensor(), path="/v2/models/multiply/versions/1/infer"),
    "infer unknown model": infer(tensor(), path="/v2/models/nothing/infer"),
    "infer unknown version": infer(tensor(), path="/v2/models/multiply/versions/9/infer"),
    "unknown output": infer(tensor(), outputs=[{"name": "z"}]),
    "unknown input": infer(tensor(name="z")),
    "input too many": infer(tensor(), tensor(name="z")),
    "input twice": infer(tensor(), tensor()),
    "no inputs": infer(),
    "no member inputs": post({}),
    "wrong size": infer(tensor(shape=[1, 3], data=[1, 2, 3])),
    "wrong rank": infer(tensor(shape=[4])),
    "other datatype": infer(tensor(datatype="INT32")),
    "unknown datatype": infer(tensor(datatype="FP31")),
    "elements too few": infer(tensor(data=[1, 2, 3])),
    "elements too many": infer(tensor(data=[1, 2, 3, 4, 5])),
    "string for number": infer(tensor(data=[1, 2, 3, "4"])),
    "null for number": infer(tensor(data=[1, 2, 3, None])),
    "no data": infer(tensor(data=None)),
    "no shape": infer(tensor(shape=None)),
    "no datatype": infer(tensor(datatype=None)),
    "no name": infer(tensor(name=None)),
    "negative size": infer(tensor(shape=[-1, 4])),
    "size that overflows": infer(tensor(shape=[2**62, 4])),
    "no rows": infer(tensor(shape=[0, 4], data=[])),
    "rows too many": infer(tensor(shape=[65, 4], data=[1] * 260)),
    "half JSON": post(b'{"inputs":'),
    "no body": post(b""),
    "no object": post(b"[]"),
    "trailing": post(json.dumps({"inputs": [tensor()]}).encode() + b"xx"),
    "NaN": post(b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[NaN,2,3,4]}]}'),
    "binary in": packed(),
    "binary out by request": packed(parameters={"binary_data_output": True}),
    "binary out by output": packed(outputs=output(binary_data=True)),
    "binary too short": packed(data=X[:8]),
    "binary too long": packed(data=X + b"xx"),
    "binary size negative": packed(-1),
    "binary size a fraction": packed(16.5),
    "binary size a string": packed("16"),
    "binary size too small": packed(8, X[:8]),
    "header negative": packed(length=-5),
    "header of letters": packed(length="abc"),
    "header beyond": packed(length=10_000),
    "header huge": packed(length=10**30),
    "data and binary": infer(tensor(parameters={"binary_data_size": 16})),
    "raw": ("POST", INFER, X, {HEADER: "0"}),
    "raw too short": ("POST", INFER, X[:15], {HEADER: "0"}),
    "mixed": mixed(),
    "FP16 in JSON": post({"inputs": MIXED_INPUTS}, "/v2/models/mixed/infer"),
    "timeout a string": infer(tensor(), parameters={"timeout": "a"}),
    "priority negative": infer(tensor(), parameters={"priority": -1}),
    "sequence": infer(tensor(), parameters={"sequence_id": 5}),
    "reserved parameter": infer(tensor(), parameters={"triton_final_response": True}),
    "parameter an object": infer(tensor(), parameters={"a": {}}),
    "parameters a list": infer(tensor(), parameters=[]),
    "id a number": infer(tensor(), id=3),
    "classes": infer(tensor(), outputs=output(classification=2)),
    "no classes": infer(tensor(), outputs=output(classification=0)),
    "classes negative": infer(tensor(), outputs=output(classification=-1)),
    "classes beyond": infer(tensor(), outputs=output(classification=9)),
    "bad gzip": ("POST", INFER, json.dumps({"inputs": [tensor()]}).encode(), {"content-encoding": "gzip"}),
    "zstd": ("POST", INFER, b"x", {"content-encoding": "zstd"}),
    "unknown region": infer(shared(shared_memory_byte_size=16)),
    "regions": get("/systemsharedmemory/status"),
    "region unknown": get("/systemsharedmemory/region/r/status"),
    "register what is not there": post({"key": f"/{KEY}_none", "byte_size": 16}, f"{REGION}/register"),
    "register without a key": post({"byte_size": 16}, f"{REGION}/register"),
    "register nothing": post(b"", f"{REGION}/register"),
    "register too much": post({"key": f"/{KEY}", "offset": 0, "byte_size": 65}, f"{REGION}/register"),
    "register": post({"key": f"/{KEY}", "offset": 0, "byte_size": 64}, f"{REGION}/register"),
    "register again": post({"key": f"/{KEY}", "offset": 0, "byte_size": 64}, f"{REGION}/register"),
    "region": get("/systemsharedmemory/region/r/status"),
    "shared input": infer(shared(shared_memory_byte_size=16)),
    "shared input too small": infer(shared(shared_memory_byte_size=8)),
    "shared input beyond": infer(shared(shared_memory_byte_size=65)),
    "shared input far beyond": infer(shared(shared_memory_byte_size=16, shared_memory_offset=64)),
    "shared input and data": infer(
        tensor(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 16})
    ),
    "shared output": infer(
        tensor(),
        outputs=output(shared_memory_region="r", shared_memory_byte_size=16, shared_memory_offset=48),
    ),
    "shared output too small": infer(
        tensor(), outputs=output(shared_memory_region="r", shared_memory_byte_size=8)
    ),
    "shared output of nothing": infer(
        tensor(), outputs=output(shared_memory_region="q", shared_memory_byte_size=16)
    ),
    "unregister": post(b"", f"{REGION}/unregister"),
    "unregister again": post(b"", f"{REGION}/unregister"),
    "unregister all": post(b"", "/v2/systemsharedmemory/unregister"),
    "CUDA regions": get("/cudasharedmemory/status"),
    "CUDA unregister all": post(b"", "/v2/cudasharedmemory/unregister"),
    "statistics": get(f"{MODEL}/stats"),
    "statistics of all": get("/models/stats"),
    "statistics of unknown model": get("/models/nothing/stats"),
}


def message(
    model: str = "multiply",
    version: str = "",
    *,
    raw: tuple[bytes, ...] = (X,),
    inputs: tuple[dict[str, Any], ...] = ({},),
    outputs: tuple[dict[str, Any], ...] = (),
    parameters: Mapping[str, pb.InferParameter] | None = None,
    **contents: list[Any],
) -> Rpc:
    found = pb.ModelInferRequest(model_name=model, model_version=version, raw_input_contents=raw)
    for each in inputs:
        found.inputs.add(**{"name": "x", "datatype": "FP32", "shape": [1, 4], **each})
    for each in outputs:
        found.outputs.add(**{"name": "y", **each})
    for name, value in (parameters or {}).items():
        found.parameters[name].CopyFrom(value)
    if contents:
        found.inputs[0].contents.CopyFrom(pb.InferTensorContents(**contents))
    return ("ModelInfer", found, pb.ModelInferResponse)


def number(value: int) -> pb.InferParameter:
    return pb.InferParameter(int64_param=value)


def text(value: str) -> pb.InferParameter:
    return pb.InferParameter(string_param=value)


def placed(size: int, region: str = "r") -> dict[str, Any]:
    return {"parameters": {"shared_memory_region": text(region), "shared_memory_byte_size": number(size)}}


def region(kind: str, **members: Any) -> Rpc:
    name = f"SystemSharedMemory{kind}"
    return (name, getattr(pb, f"{name}Request")(**members), getattr(pb, f"{name}Response"))


def about(kind: str, *model: str) -> Rpc:
    request = getattr(pb, f"Model{kind}Request")(**dict(zip(("name", "version"), model, strict=False)))
    return (f"Model{kind}", request, getattr(pb, f"Model{kind}Response"))


RPC: dict[str, Rpc] = {
    "server": ("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse),
    "live": ("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse),
    "ready": ("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse),
    "model ready": about("Ready", "multiply"),
    "unknown model ready": about("Ready", "nothing"),
    "unknown version ready": about("Ready", "multiply", "9"),
    "version of letters ready": about("Ready", "multiply", "x"),
    "model": about("Metadata", "multiply"),
    "unknown model": about("Metadata", "nothing"),
    "no model": about("Metadata"),
    "configuration": about("Config", "multiply"),
    "index": ("RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse),
    "index of a repository": (
        "RepositoryIndex",
        pb.RepositoryIndexRequest(repository_name="a"),
        pb.RepositoryIndexResponse,
    ),
    "load": (
        "RepositoryModelLoad",
        pb.RepositoryModelLoadRequest(model_name="multiply"),
        pb.RepositoryModelLoadResponse,
    ),
    "infer": message(),
    "one output": message(outputs=({},)),
    "infer unknown model": message("nothing"),
    "infer unknown version": message(version="9"),
    "infer version of letters": message(version="x"),
    "infer no model": message(""),
    "unknown input": message(inputs=({"name": "z"},)),
    "no inputs": message(inputs=(), raw=()),
    "wrong size": message(inputs=({"shape": [1, 3]},), raw=(X[:12],)),
    "wrong rank": message(inputs=({"shape": [4]},)),
    "other datatype": message(inputs=({"datatype": "INT32"},)),
    "unknown datatype": message(inputs=({"datatype": "FP31"},)),
    "raw too short": message(raw=(X[:8],)),
    "raw too long": message(raw=(X + X,)),
    "raw too many": message(raw=(X, X)),
    "typed": message(raw=(), fp32_contents=[1, 2, 3, 4]),
    "typed and raw": message(fp32_contents=[1, 2, 3, 4]),
    "typed too few": message(raw=(), fp32_contents=[1, 2]),
    "typed of another type": message(raw=(), int_contents=[1, 2, 3, 4]),
    "no contents": message(raw=()),
    "unknown output": message(outputs=({"name": "z"},)),
    "output twice": message(outputs=({}, {})),
    "input twice": message(inputs=({}, {}), raw=(X, X)),
    "negative size": message(inputs=({"shape": [-1, 4]},)),
    "rows too many": message(inputs=({"shape": [65, 4]},), raw=(X * 65,)),
    "no rows": message(inputs=({"shape": [0, 4]},), raw=(b"",)),
    "timeout a string": message(parameters={"timeout": text("a")}),
    "priority negative": message(parameters={"priority": number(-1)}),
    "sequence": message(parameters={"sequence_id": number(5)}),
    "reserved parameter": message(parameters={"triton_final_response": pb.InferParameter(bool_param=True)}),
    "own parameter": message(parameters={"mine": pb.InferParameter(double_param=5)}),
    "parameter of nothing": message(parameters={"mine": pb.InferParameter()}),
    "classes": message(outputs=({"parameters": {"classification": number(2)}},)),
    "unknown region": message(inputs=(placed(16),), raw=()),
    "regions": region("Status"),
    "region unknown": region("Status", name="r"),
    "register what is not there": region("Register", name="r", key=f"/{KEY}_none", byte_size=16),
    "register": region("Register", name="r", key=f"/{KEY}", byte_size=64),
    "register again": region("Register", name="r", key=f"/{KEY}", byte_size=64),
    "region": region("Status", name="r"),
    "shared input": message(inputs=(placed(16),), raw=()),
    "shared input too small": message(inputs=(placed(8),), raw=()),
    "shared input beyond": message(inputs=(placed(65),), raw=()),
    "shared output": message(outputs=(placed(16),)),
    "shared output too small": message(outputs=(placed(8),)),
    "shared output of nothing": message(outputs=(placed(16, "q"),)),
    "unregister": region("Unregister", name="r"),
    "unregister again": region("Unregister", name="r"),
    "unregister all": region("Unregister"),
    "statistics": about("Statistics", "multiply"),
    "statistics of unknown model": about("Statistics", "nothing"),
}
