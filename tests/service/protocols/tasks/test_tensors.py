import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pb.tasks_pb2 import Tensor
from service.errors import Invalid
from service.protocols.tasks import tensors

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]  # fmt: skip
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))
TEXTS = SHAPES.flatmap(
    lambda shape: hnp.arrays(object, shape, elements=st.text(st.characters(codec="utf-8")))
)


@given(ARRAYS | TEXTS)
def test_arrays_round_trip(array: np.ndarray) -> None:
    message = Tensor.FromString(tensors.encode(array).SerializeToString())
    back = tensors.decode(message, "x")
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tolist() == array.tolist() or np.array_equal(back, array, equal_nan=True)


@given(ARRAYS)
def test_typed_values_mean_the_same_as_raw_bytes(array: np.ndarray) -> None:
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)
    form = {"float64": "doubles", "bool": "bools"}.get(array.dtype.name) or {
        "f": "floats", "i": "ints", "u": "uints"
    }[array.dtype.kind]  # fmt: skip
    message = Tensor(dtype=array.dtype.name, shape=array.shape, **{form: array.ravel().tolist()})
    assert np.array_equal(tensors.decode(message, "x"), array)


def test_strided_and_big_endian_arrays_are_put_in_order() -> None:
    array = np.arange(6, dtype=">i2").reshape(2, 3).T
    message = tensors.encode(array)
    assert message.dtype == "int16"
    assert tensors.decode(message, "x").tolist() == array.tolist()


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Tensor(dtype="float33", shape=[1], floats=[1]), "x.dtype"),
        (Tensor(shape=[1], floats=[1]), "x.dtype"),
        (Tensor(dtype="object", shape=[1], raw=b"12345678"), "x.dtype"),
        (Tensor(dtype="float32", shape=[-1], floats=[1]), "x.shape"),
        (Tensor(dtype="float32", shape=[1] * 9, floats=[1]), "x.shape"),
        (Tensor(dtype="float32", shape=[2**31, 2**31, 4], floats=[1]), "x.shape"),
        (Tensor(dtype="float32", shape=[0, 2**62]), "x.shape"),
        (Tensor(dtype="float32", shape=[10**12], floats=[1]), "x.shape"),
        (Tensor(dtype="float32", shape=[2], floats=[1]), "x"),
        (Tensor(dtype="float32", shape=[2]), "x"),
        (Tensor(dtype="float32", floats=[1, 2]), "x"),
        (Tensor(dtype="float32", shape=[2], doubles=[1, 2]), "x"),
        (Tensor(dtype="float32", shape=[1], floats=[1], raw=b"1234"), "x"),
        (Tensor(dtype="float32", shape=[1], floats=[1], ints=[1]), "x"),
        (Tensor(dtype="float32", shape=[2], raw=b"1234567"), "x.raw"),
        (Tensor(dtype="float32", shape=[2], raw=b"123456789"), "x.raw"),
        (Tensor(dtype="bool", shape=[2], raw=b"\x00\x02"), "x.raw"),
        (Tensor(dtype="string", shape=[1], raw=b"a"), "x"),
        (Tensor(dtype="int8", shape=[1], ints=[128]), "x"),
        (Tensor(dtype="uint8", shape=[1], uints=[256]), "x"),
        (Tensor(dtype="float16", shape=[1], floats=[1e6]), "x"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(message: Tensor, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        tensors.decode(message, "x")
    assert caught.value.field == field
