from contextlib import suppress

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pb import oip_pb2 as pb
from service.domain import ModelId, Timing
from service.errors import Invalid, ServiceError
from service.protocols.oip import messages
from service.protocols.oip.datatypes import NUMPY, of_array
from service.protocols.oip.inference import Inferred, Output

NUMBERS = st.sampled_from(sorted(NUMPY)).flatmap(
    lambda datatype: arrays.arrays(NUMPY[datatype], arrays.array_shapes(min_dims=0, max_dims=3, max_side=4))
)


def request(
    datatype: str = "FP32", shape: tuple[int, ...] = (2,), **contents: list[object]
) -> pb.ModelInferRequest:
    made = pb.ModelInferRequest(model_name="m")
    tensor = made.inputs.add(name="x", datatype=datatype, shape=shape)
    for name, values in contents.items():
        getattr(tensor.contents, name).extend(values)
    return made


@given(NUMBERS)
def test_raw_tensors_come_back_bit_for_bit(array: np.ndarray) -> None:
    output = Output("x", of_array(array.dtype), array, binary=True)
    answer = messages.encode(Inferred(ModelId("m", 1), "7", (output,), Timing()))
    asked = request(answer.outputs[0].datatype, answer.outputs[0].shape)
    asked.raw_input_contents.extend(answer.raw_output_contents)
    found = messages.decode(asked).inputs["x"]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@settings(max_examples=200)
@given(
    st.sampled_from([*NUMPY, "BYTES", "BF16", "", "float"]),
    st.lists(st.integers(-1, 3) | st.integers(2**40, 2**62), max_size=9),
    st.lists(st.binary(max_size=16), max_size=2),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9),
)
def test_any_message_is_a_request_or_refused(
    datatype: str, shape: list[int], raw: list[bytes], ints: list[int]
) -> None:
    asked = request(datatype, tuple(shape), int_contents=ints)
    asked.raw_input_contents.extend(raw)
    with suppress(ServiceError):
        messages.decode(asked)


@given(st.binary(max_size=80))
def test_any_bytes_that_are_a_message_are_a_request_or_refused(content: bytes) -> None:
    try:
        message = pb.ModelInferRequest.FromString(content)
    except DecodeError:
        return
    with suppress(ServiceError):
        messages.decode(message)


@pytest.mark.parametrize(
    ("datatype", "contents", "expected"),
    [
        ("FP32", {"fp32_contents": [1.5, 2]}, [1.5, 2]),
        ("FP64", {"fp64_contents": [1.5, 2]}, [1.5, 2]),
        ("INT8", {"int_contents": [-128, 127]}, [-128, 127]),
        ("INT64", {"int64_contents": [-(2**63), 1]}, [-(2**63), 1]),
        ("UINT16", {"uint_contents": [0, 65535]}, [0, 65535]),
        ("UINT64", {"uint64_contents": [2**64 - 1, 0]}, [2**64 - 1, 0]),
        ("BOOL", {"bool_contents": [True, False]}, [True, False]),
        ("BYTES", {"bytes_contents": [b"a", b""]}, [b"a", b""]),
    ],
)
def test_typed_contents_are_read(
    datatype: str, contents: dict[str, list[object]], expected: list[object]
) -> None:
    assert messages.decode(request(datatype, **contents)).inputs["x"].tolist() == expected


@pytest.mark.parametrize(
    "wrong",
    [
        request("INT8", int_contents=[300, 0]),
        request("FP32", fp64_contents=[1, 2]),
        request("FP32", fp32_contents=[1]),
        request("FP16"),
        request("FP32"),
        request("FP32", (-1,), fp32_contents=[1]),
        pb.ModelInferRequest(model_name="m"),
        pb.ModelInferRequest(model_name="m", inputs=[{"name": "x"}, {"name": "x"}]),
    ],
)
def test_contents_that_do_not_fit_are_refused(wrong: pb.ModelInferRequest) -> None:
    with pytest.raises(Invalid):
        messages.decode(wrong)


def test_raw_and_typed_contents_do_not_mix() -> None:
    both = request("FP32", fp32_contents=[1, 2])
    both.raw_input_contents.append(bytes(8))
    with pytest.raises(Invalid, match="must not be specified when using raw_input_contents"):
        messages.decode(both)
    too_many = request("FP32")
    too_many.raw_input_contents.extend([bytes(8), bytes(8)])
    with pytest.raises(Invalid, match="one for each input"):
        messages.decode(too_many)


def test_parameters_are_plain_values() -> None:
    asked = request("FP32", fp32_contents=[1, 2])
    asked.parameters["timeout"].uint64_param = 1000
    asked.parameters["signature"].string_param = "s"
    found = messages.decode(asked)
    assert (found.timeout_s, found.signature) == (0.001, "s")
    asked.parameters["empty"].SetInParent()
    with pytest.raises(Invalid, match="'empty' has no value"):
        messages.decode(asked)
