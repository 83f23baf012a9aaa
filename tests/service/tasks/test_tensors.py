"""What callers give for a tensor, and what becomes of it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from service.bundle import DType, Tensor
from service.errors import Invalid
from service.tasks.tensors import TensorCoercion

NUMERIC: tuple[DType, ...] = (
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
)  # fmt: skip


def coercion(dtype: DType, *shape: int | str, **more: Any) -> TensorCoercion:
    tensor = Tensor(name="x", dtype=dtype, shape=shape, **more)
    return TensorCoercion(tensor, subject="input 'x'", field="inputs.x")


def refusal(coerce: TensorCoercion, value: Any) -> str:
    with pytest.raises(Invalid) as caught:
        coerce(value)
    assert caught.value.field == "inputs.x"
    return caught.value.message


def test_a_wrong_shape_is_named_with_the_one_that_is_expected() -> None:
    image = coercion("float32", "batch", 28, 28, 1)
    assert (
        refusal(image, np.zeros((3, 28, 28), np.float32))
        == "input 'x': expected shape [-1, 28, 28, 1], got [3, 28, 28]"
    )
    assert refusal(image, [[1.0, 2.0]]) == "input 'x': expected shape [-1, 28, 28, 1], got [1, 2]"
    assert refusal(coercion("float32", "batch"), 3.0) == "input 'x': expected shape [-1], got []"
    assert refusal(coercion("float32"), [3.0]) == "input 'x': expected shape [], got [1]"
    assert refusal(coercion("float32", "batch", 2), []) == "input 'x': expected shape [-1, 2], got [0]"


@pytest.mark.parametrize(
    ("dtype", "value", "said"),
    [
        ("float32", [[1.0, "2"]], "expected float32, got a string at [0][1]"),
        ("float32", [[1.0, None]], "expected float32, got null at [0][1]"),
        ("float32", [[1.0, True]], "expected float32, got a boolean at [0][1]"),
        ("float32", [[1.0, {}]], "expected float32, got an object at [0][1]"),
        ("float32", [[1.0, 2.0], [3.0]], "uneven list: [1] has 1 elements, expected 2"),
        ("float32", [[1.0, 2.0], 3.0], "uneven list: [1] is a number, expected a list of 2"),
        ("float32", [[1.0, [2.0]]], "uneven list: [0][1] is a list, expected an element"),
        ("float32", [[1.0, float("nan")]], "NaN at [0][1] does not fit float32"),
        ("float32", [[float("inf"), 1.0]], "inf at [0][0] does not fit float32"),
        ("float32", [[1e39]], "1e+39 at [0][0] does not fit float32"),
        ("float16", [[70000]], "70000 at [0][0] does not fit float16"),
        ("float32", [[10**400]], "an integer of 1329 bits at [0][0] does not fit float32"),
        ("int32", [[1.0]], "expected int32, got a number at [0][0]"),
        ("int32", [[1, 2**40]], "1099511627776 at [0][1] does not fit int32"),
        ("uint8", [[300]], "300 at [0][0] does not fit uint8"),
        ("uint8", [[-1]], "-1 at [0][0] does not fit uint8"),
        ("int64", [[2**63]], "9223372036854775808 at [0][0] does not fit int64"),
        ("bool", [[1]], "expected bool, got an integer at [0][0]"),
        ("string", [[1]], "expected string, got an integer at [0][0]"),
        ("string", [["\ud800"]], "expected valid Unicode, got a lone surrogate"),
        ("string", [["a", "b"], ["c"]], "uneven list: [1] has 1 elements, expected 2"),
        ("float32", "1.0", "expected a list, got a string"),
        ("float32", b"1.0", "expected a list, got a bytes"),
        ("float32", None, "expected a list, got null"),
        ("float32", {"0": 1}, "expected a list, got an object"),
    ],
)
def test_a_list_that_is_no_such_array_is_refused_with_the_place(dtype: DType, value: Any, said: str) -> None:
    assert refusal(coercion(dtype, "batch", "size"), value) == f"input 'x': {said}"


@pytest.mark.parametrize(
    ("dtype", "array", "said"),
    [
        ("int32", np.array([[1.0]]), "expected dtype int32, got float64"),
        ("float32", np.array([[True]]), "expected dtype float32, got bool"),
        ("bool", np.array([[1]]), "expected dtype bool, got int64"),
        ("float32", np.array([["1"]]), "expected dtype float32, got <U1"),
        ("float32", np.array([[1.0]], object), "expected dtype float32, got object"),
        ("float32", np.array([[1e39]]), "expected numbers that fit float32, got float64 beyond it"),
        ("int8", np.array([[200]]), "200 does not fit int8, expected -128 to 127"),
        ("uint64", np.array([[-1]]), "-1 does not fit uint64, expected 0 to 18446744073709551615"),
        ("string", np.array([[1, "a"]], object), "expected strings, got an integer at element 0"),
        ("string", np.array([[b"\xff"]], object), "element 0 is not valid UTF-8"),
    ],
)
def test_an_array_of_another_kind_is_refused(dtype: DType, array: Any, said: str) -> None:
    assert refusal(coercion(dtype, "batch", "size"), array) == f"input 'x': {said}"


def test_integers_are_taken_for_floats_in_lists_and_arrays() -> None:
    assert coercion("float32", "batch")([1, 2.5]).tolist() == [1.0, 2.5]
    assert coercion("float32", "batch")(np.array([1, 2])).dtype == np.float32


def test_a_tuple_is_as_good_as_a_list() -> None:
    assert coercion("int64", "batch", 2)(((1, 2), (3, 4))).tolist() == [[1, 2], [3, 4]]


def test_scalars_fill_tensors_without_axes() -> None:
    assert coercion("float32")(2) == np.float32(2)
    assert coercion("string")("a").item() == "a"
    assert coercion("float32")(np.float64(0.5)).dtype == np.float32
    assert refusal(coercion("int8"), 200) == "input 'x': 200 does not fit int8"
    assert refusal(coercion("int8"), 1.0) == "input 'x': expected int8, got a number"
    assert refusal(coercion("float32"), float("nan")) == "input 'x': NaN does not fit float32"


def test_a_range_of_integers_is_kept_by_lists_and_arrays() -> None:
    ids = coercion("int32", "batch", "time", kind="token_ids", range=(0, 32))
    assert ids([[0, 31]]).tolist() == [[0, 31]]
    assert refusal(ids, [[0, 32]]) == "input 'x': 32 at [0][1] is out of range, expected 0 to 31"
    assert refusal(ids, np.array([[5, -1]])) == "input 'x': -1 at [0][1] is out of range, expected 0 to 31"
    assert ids(np.zeros((1, 0), np.int32)).shape == (1, 0)


def test_an_array_may_hold_nan_unless_there_is_a_range() -> None:
    array = np.array([np.nan, np.inf], np.float32)
    assert coercion("float32", "batch")(array) is array
    ranged = coercion("float32", "batch", range=(0, 1))
    assert refusal(ranged, array) == "input 'x': expected finite numbers, got NaN or infinity"
    assert ranged(np.array([7.0], np.float32)).tolist() == [7.0]


def test_large_finite_floats_are_not_mistaken_for_infinity() -> None:
    assert coercion("float32", "batch")([3e38, -3e38]).tolist() == [np.float32(3e38), np.float32(-3e38)]


def test_strings_become_objects_and_bytes_are_read_as_utf_8() -> None:
    texts = coercion("string", "batch", 2)
    assert texts([["a", "ü"]]).dtype == object
    assert texts(np.array([["a", "ü"]])).tolist() == [["a", "ü"]]
    assert texts(np.array([[b"a", "ü".encode()]], object)).tolist() == [["a", "ü"]]


def test_an_array_of_the_right_dtype_is_not_copied_and_the_callers_is_never_changed() -> None:
    array = np.array([[b"a"]], object)
    coercion("string", "batch", 1)(array)
    assert array.tolist() == [[b"a"]]
    exact = np.ones((2, 2), np.float32)
    assert coercion("float32", "batch", 2)(exact) is exact


def test_nesting_beyond_all_reason_is_refused_without_climbing_down() -> None:
    deep: Any = 1.0
    for _ in range(100_000):
        deep = [deep]
    assert "expected shape [-1, -1], got [1, 1," in refusal(coercion("float32", "batch", "size"), deep)
    assert "uneven" in refusal(coercion("float32", "batch", "size"), [[1.0], [deep]])


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (["a"], "expected float32, got a string at [1000][999]"),
        ([1e300], "1e+300 at [1000][999] does not fit float32"),
        ([[2.0]], "[1000][999] is a list, expected an element"),
        ([], "[1000] has 999 elements, expected 1000"),
    ],
)
def test_one_wrong_element_among_very_many_is_named_at_once(last: list[Any], said: str) -> None:
    value: list[Any] = [[1.0] * 1000] * 1000 + [[*[1.0] * 999, *last]]
    started_s = time.process_time()
    assert said in refusal(coercion("float32", "batch", "size"), value)
    assert time.process_time() - started_s < 2


@given(st.data(), st.sampled_from(NUMERIC))
def test_lists_become_what_numpy_makes_of_them(data: st.DataObject, dtype: DType) -> None:
    shape = data.draw(numpy_strategies.array_shapes(min_dims=1, max_dims=4, max_side=4))
    elements = (
        {"allow_nan": False, "allow_infinity": False, "allow_subnormal": False} if "float" in dtype else None
    )
    array = data.draw(numpy_strategies.arrays(np.dtype(dtype), shape, elements=elements))
    axes = [f"axis{index}" for index in range(len(shape))]
    made = coercion(dtype, *axes)(array.tolist())
    assert made.dtype == array.dtype
    assert made.shape == array.shape
    assert np.array_equal(made, array)
    assert np.array_equal(coercion(dtype, *axes)(array), array)


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=1), inner, max_size=2),
    max_leaves=12,
)


@given(Json, st.sampled_from([*NUMERIC, "string"]), st.integers(0, 3))
def test_whatever_comes_is_taken_or_refused_and_nothing_else(value: Any, dtype: DType, rank: int) -> None:
    coerce = coercion(dtype, *[f"axis{index}" for index in range(rank)])
    try:
        array = coerce(value)
    except Invalid:
        return
    assert array.ndim == rank
    assert array.dtype == (object if dtype == "string" else dtype)
