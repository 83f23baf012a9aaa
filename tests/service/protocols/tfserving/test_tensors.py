from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pb import tensorflow_pb2 as tf
from service.bundle import DType
from service.errors import Invalid, ServiceError, TooLarge
from service.protocols.tfserving import tensors
from service.protocols.tfserving.signatures import DATA_TYPES

NUMERIC = [dtype for dtype in get_args(DType) if dtype != "string"]


def tensor(dtype: str, *shape: int, **values: Any) -> Any:
    dims = [tf.TensorShapeProto.Dim(size=size) for size in shape]
    return tf.TensorProto(dtype=DATA_TYPES[dtype], tensor_shape=tf.TensorShapeProto(dim=dims), **values)


def decode(message: Any, max_bytes: int = 1 << 20) -> Any:
    return tensors.decode_all({"x": message}, max_bytes)["x"]


def test_every_dtype_has_a_number_and_a_field() -> None:
    assert set(DATA_TYPES) == set(tensors._FIELDS) == set(get_args(DType))


@given(
    st.sampled_from(NUMERIC).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
    )
)
def test_every_array_comes_back_bit_for_bit_in_either_form(array: Any) -> None:
    by_field = decode(tf.TensorProto.FromString(tensors.encode(array).SerializeToString()))
    by_content = decode(tensor(array.dtype.name, *array.shape, tensor_content=array.tobytes()))
    for back in (by_field, by_content):
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == array.tobytes()


def test_strings_come_back_as_bytes() -> None:
    array = np.array([["a", b"\xff"]], object)
    assert decode(tensors.encode(array)).tolist() == [[b"a", b"\xff"]]


def test_encoded_strings_are_lengths_and_then_bytes() -> None:
    content = bytes([1, 0, 0x80 | 72, 1]) + b"a" + b"b" * 200
    assert decode(tensor("string", 3, tensor_content=content)).tolist() == [b"a", b"", b"b" * 200]
    for wrong in (content[:-1], content + b"x", bytes([0xFF] * 9), b"\x80"):
        with pytest.raises(Invalid, match="does not hold 3 strings"):
            decode(tensor("string", 3, tensor_content=wrong))


def test_the_last_value_fills_what_is_left_out() -> None:
    assert decode(tensor("float32", 2, 2, float_val=[1, 2])).tolist() == [[1, 2], [2, 2]]
    assert decode(tensor("int32", 3, int_val=[7])).tolist() == [7, 7, 7]
    assert decode(tensor("string", 2, string_val=[b"a"])).tolist() == [b"a", b"a"]
    assert decode(tensor("float64", 2)).tolist() == [0, 0]
    assert decode(tensor("string", 1)).tolist() == [b""]
    assert decode(tensor("float16", 2, half_val=[0x3C00])).tolist() == [1, 1]


def test_a_claimed_size_is_not_believed() -> None:
    for message in (
        tensor("float32", 2**40),
        tensor("float32", 10**6, float_val=[1]),
        tensor("string", 10**5, string_val=[b"a"]),
    ):
        with pytest.raises(TooLarge):
            decode(message)
    with pytest.raises(TooLarge):
        tensors.decode_all({"a": tensor("int8", 600), "b": tensor("int8", 600)}, 1000)
    with pytest.raises(TooLarge):
        decode(tensor("float32", 2**20, tensor_content=b"abcd"))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (tensor("float32", 2, tensor_content=b"abc"), "expected 8 bytes of tensor_content, got 3"),
        (tensor("float32", 1, float_val=[1, 2]), "expected at most 1 values"),
        (tensor("float32", -1), "expected a shape of sizes that fit"),
        (tensor("float32", 0, 2**62), "expected a shape of sizes that fit"),
        (tensor("float32", *[1] * 33), "at most 32 axes"),
        (tensor("int8", 1, int_val=[128]), "expected values of -128 to 127"),
        (tensor("float16", 1, half_val=[70000]), "expected values of 0 to 65535"),
        (tensor("bool", 1, tensor_content=b"\x02"), "expected bytes of 0 and 1"),
        (tf.TensorProto(dtype=14), "tensors of DT_BFLOAT16 are not served"),
        (tf.TensorProto(dtype=101), "tensors of 101 are not served"),
        (tf.TensorProto(), "tensors of DT_INVALID are not served"),
        (
            tf.TensorProto(dtype=1, tensor_shape=tf.TensorShapeProto(unknown_rank=True)),
            "expected a shape of known rank",
        ),
    ],
)
def test_a_tensor_that_is_none_is_refused(message: Any, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(message)
    assert text in caught.value.message
    assert caught.value.field == "inputs.x"


@given(
    st.builds(
        lambda dtype, sizes, content, numbers: tf.TensorProto(
            dtype=dtype,
            tensor_shape=tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in sizes]),
            tensor_content=content,
            int_val=numbers,
            half_val=numbers,
            int64_val=numbers,
        ),
        st.integers(0, 40),
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 4), max_size=5),
        st.binary(max_size=40),
        st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8),
    )
)
def test_any_message_is_an_array_or_refused(message: Any) -> None:
    try:
        array = decode(message, max_bytes=10_000)
    except ServiceError:
        return
    assert array.nbytes <= 10_000
