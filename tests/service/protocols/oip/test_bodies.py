from contextlib import suppress

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.domain import ModelId
from service.errors import Invalid, ServiceError
from service.protocols.oip import bodies
from service.protocols.oip.datatypes import NUMPY, of_array
from service.protocols.oip.inference import Output

MODEL = ModelId("m", 2)
NUMBERS = st.sampled_from(sorted(NUMPY)).flatmap(
    lambda datatype: arrays.arrays(
        NUMPY[datatype],
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if datatype.startswith("FP") else None,
    )
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def body(tensor: dict[str, object], raw: bytes = b"", **fields: object) -> tuple[bytes, int | None]:
    header = orjson.dumps({"inputs": [{"name": "x", **tensor}], **fields})
    return header + raw, len(header) if raw else None


def x_of(tensor: dict[str, object], raw: bytes = b"") -> np.ndarray:
    return bodies.decode(*body(tensor, raw)).inputs["x"]


def refusal(tensor: dict[str, object], raw: bytes = b"", **fields: object) -> str | None:
    with pytest.raises(Invalid) as caught:
        bodies.decode(*body(tensor, raw, **fields))
    return caught.value.field


@given(NUMBERS)
def test_binary_tensors_come_back_bit_for_bit(array: np.ndarray) -> None:
    output = Output("x", of_array(array.dtype), array, binary=True)
    content, header_bytes = bodies.encode(MODEL, "", (output,))
    document = orjson.loads(content[:header_bytes])
    tensor = document["outputs"][0]
    header = orjson.dumps({"inputs": [tensor]})
    decoded = bodies.decode(header + content[header_bytes:], len(header)).inputs["x"]
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


@given(NUMBERS.filter(lambda array: array.dtype != np.float16))
def test_json_tensors_come_back_flat_and_nested(array: np.ndarray) -> None:
    output = Output("x", of_array(array.dtype), array, binary=False)
    content, header_bytes = bodies.encode(MODEL, "", (output,))
    assert header_bytes is None
    tensor = orjson.loads(content)["outputs"][0]
    for data in (tensor["data"], array.tolist()):
        decoded = bodies.decode(orjson.dumps({"inputs": [{**tensor, "data": data}]}), None).inputs["x"]
        assert decoded.dtype == array.dtype
        assert decoded.shape == array.shape
        assert np.array_equal(decoded, array)


@given(st.lists(st.binary(max_size=12), max_size=6))
def test_strings_of_any_bytes_come_back_from_binary(elements: list[bytes]) -> None:
    array = np.empty(len(elements), object)
    array[:] = elements
    content, header_bytes = bodies.encode(MODEL, "", (Output("x", "BYTES", array, binary=True),))
    header = orjson.dumps({"inputs": [orjson.loads(content[:header_bytes])["outputs"][0]]})
    decoded = bodies.decode(header + content[header_bytes:], len(header)).inputs["x"]
    assert decoded.tolist() == elements


@given(st.binary(max_size=64), st.none() | st.integers(0, 80))
def test_any_bytes_are_a_request_or_refused(content: bytes, header_bytes: int | None) -> None:
    with suppress(ServiceError):
        bodies.decode(content, header_bytes)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.just("x") | PLAIN,
            "datatype": st.sampled_from(["FP32", "BYTES", "BOOL", "INT8", "UINT64", "FP16", "BF16"]) | PLAIN,
            "shape": st.lists(st.integers(-2, 2**65), max_size=9)
            | st.lists(st.integers(0, 3), max_size=3)
            | PLAIN,
            "data": PLAIN,
            "parameters": st.fixed_dictionaries(
                {}, optional={"binary_data_size": st.integers(-3, 20) | PLAIN}
            )
            | PLAIN,
        },
    ),
    st.binary(max_size=20),
    st.dictionaries(st.sampled_from(["id", "parameters", "outputs"]), PLAIN, max_size=2),
)
def test_any_tensor_is_taken_or_refused(
    tensor: dict[str, object], raw: bytes, fields: dict[str, object]
) -> None:
    try:
        header = orjson.dumps({"inputs": [tensor], **fields})
    except (TypeError, orjson.JSONEncodeError):
        return  # integers that JSON of ours cannot even write
    with suppress(ServiceError):
        bodies.decode(header + raw, len(header))


def test_bf16_widens_to_the_same_number() -> None:
    raw = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    found = x_of({"datatype": "BF16", "shape": [2], "parameters": {"binary_data_size": 4}}, raw)
    assert found.tolist() == [1.5, -2.0]
    assert found.dtype == np.float32


def test_any_byte_but_0_is_true() -> None:
    tensor = {"datatype": "BOOL", "shape": [3], "parameters": {"binary_data_size": 3}}
    assert x_of(tensor, b"\0\1\x80").tolist() == [False, True, True]


def test_a_claimed_size_allocates_nothing() -> None:
    huge = {"parameters": {"binary_data_size": 4}, "shape": [2**30]}
    strings = {"parameters": {"binary_data_size": 4}, "shape": [2**17], "datatype": "BYTES"}
    assert refusal(strings, b"\0\0\0\0") == "inputs.x"
    assert refusal({**huge, "datatype": "FP64"}, b"\0\0\0\0") == "inputs.x"
    assert refusal({"datatype": "FP32", "shape": [2**40], "data": [1]}) == "inputs.x.shape"
    assert refusal({"datatype": "FP32", "shape": [0, 2**40], "data": []}) == "inputs.x.shape"
    assert refusal({"datatype": "FP32", "shape": [2**20, 2**20], "data": []}) == "inputs.x.shape"


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("INT8", [300]),
        ("UINT8", [-1]),
        ("INT32", [1.0]),
        ("FP32", ["1"]),
        ("FP32", [1e39]),
        ("FP32", [None]),
        ("FP32", [True]),
        ("BOOL", [2]),
        ("BYTES", [1]),
        ("FP16", [1]),
        ("BF16", [1]),
        ("FP32", [1, 2]),
        ("FP32", [[1]]),
    ],
)
def test_elements_of_the_wrong_kind_are_refused(datatype: str, data: list[object]) -> None:
    assert refusal({"datatype": datatype, "shape": [1], "data": data}) == "inputs.x"


def test_string_data_that_lies_about_its_lengths_is_refused() -> None:
    claims = {"datatype": "BYTES", "shape": [1]}
    for raw in (b"\xff\xff\xff\xff", b"\2\0\0\0a", b"\1\0\0\0ab", b"\1\0"):
        assert refusal({**claims, "parameters": {"binary_data_size": len(raw)}}, raw) == "inputs.x"


def test_binary_data_must_add_up() -> None:
    four = {"datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
    assert refusal(four, b"12345") == "inputs"
    assert refusal(four, b"123") == "inputs.x.parameters.binary_data_size"
    assert refusal({**four, "data": [1]}, b"1234") == "inputs.x.data"
    assert refusal({"datatype": "FP32", "shape": [1]}) == "inputs.x.data"


def test_parameters_are_understood() -> None:
    tensor = {"datatype": "FP32", "shape": [1], "data": [1]}
    content, _ = body(
        tensor,
        id="7",
        parameters={"timeout": 2_500_000, "priority": 1, "signature": "echo", "mine": "x"},
        outputs=[{"name": "y", "parameters": {"classification": 3}}, {"name": "z"}],
    )
    asked = bodies.decode(content, None)
    assert (asked.id, asked.timeout_s, asked.signature) == ("7", 2.5, "echo")
    assert [(each.name, each.binary, each.classes) for each in asked.wanted] == [
        ("y", False, 3),
        ("z", False, 0),
    ]
    for name, value in {"timeout": -1, "priority": "high", "signature": 1, "binary_data_output": 1}.items():
        assert refusal(tensor, parameters={name: value}) == f"parameters.{name}"
    assert refusal(tensor, parameters={"mine": [1]}) == "parameters.mine"
    assert refusal(tensor, outputs=[{"name": "y"}, {"name": "y"}]) == "outputs"
