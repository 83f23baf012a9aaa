import math
from contextlib import suppress
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.bundle import DType
from service.protocols.tfserving.values import MisfitError, to_array

NUMERIC = [dtype for dtype in get_args(DType) if dtype != "string"]


def refusal(value: Any, dtype: str) -> tuple[int, str]:
    with pytest.raises(MisfitError) as caught:
        to_array(value, dtype)
    return caught.value.element, caught.value.text


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1, "float32", np.float32(1)),
        ([1, 2.5], "float32", np.array([1, 2.5], np.float32)),
        ([[True], [False]], "bool", np.array([[True], [False]])),
        ([2**63], "uint64", np.array([2**63], np.uint64)),
        ([], "int8", np.zeros(0, np.int8)),
        ([[], []], "float32", np.zeros((2, 0), np.float32)),
        ([math.inf, -math.inf], "float16", np.array([math.inf, -math.inf], np.float16)),
        (2**24 - 1, "float32", np.float32(2**24 - 1)),
        (3e38, "float32", np.float32(3e38)),
        ({"b64": "/w"}, "string", np.array(b"\xff", object)),
    ],
)
def test_a_value_becomes_an_array_of_its_own_shape(value: Any, dtype: str, expected: Any) -> None:
    array = to_array(value, dtype)
    assert array.dtype == np.asarray(expected).dtype
    assert array.shape == np.asarray(expected).shape
    assert array.tolist() == np.asarray(expected).tolist()


def test_text_and_base64_may_be_side_by_side() -> None:
    assert to_array([["a", {"b64": "Yg=="}]], "string").tolist() == [["a", b"b"]]


@pytest.mark.parametrize(
    ("value", "dtype", "element", "text"),
    [
        ([1, "a"], "float32", 1, 'JSON Value: "a" Type: String is not of expected type: float'),
        ([[1], [1.5]], "int64", 1, "JSON Value: 1.5 Type: Number is not of expected type: int64"),
        ([0, True], "int32", 1, "JSON Value: true Type: True is not of expected type: int32"),
        ([None], "bool", 0, "JSON Value: null Type: Null is not of expected type: bool"),
        ([300], "uint8", 0, "JSON Value: 300 Type: Number is not of expected type: uint8"),
        ([2**64], "uint64", 0, f"JSON Value: {2**64} Type: Number is not of expected type: uint64"),
        ([1.0, 1e39], "float32", 1, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ([2**24], "float32", 0, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        ([-(2**53)], "float64", 0, f"Cannot convert JSON value: -{2**53} to double without loss of precision."),
        ([10**400], "float64", 0, "Cannot convert JSON value: 1000"),
        ([70000.0], "float16", 0, "Cannot convert JSON value: 70000.0 to half without loss of precision."),
        ([{"b64": "a", "c": 1}], "string", 0, "JSON Value: {\n"),
        ([{"b64": "!"}], "string", 0, "Unable to base64 decode"),
        ([{"b64": "Yg=="}], "int8", 0, "JSON Value: {\n"),
        ([[1], 2], "int8", 1, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ([1, [2]], "int8", 1, "Encountered list at unexpected level: 1 expected < 1"),
        ([[1], [2, 3]], "int8", 1, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ([[[1], [2]], [[3], [4, 5]]], "int8", 1, "Encountered list at unexpected size: 2 at level: 2"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_is_told_in_their_words(value: Any, dtype: str, element: int, text: str) -> None:
    where, why = refusal(value, dtype)
    assert where == element
    assert why.startswith(text)


def test_nesting_without_end_is_refused() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    assert "unexpected level" in refusal(value, "float32")[1]


@given(
    st.sampled_from(NUMERIC).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0), elements=None)
    )
)
def test_every_array_comes_back_from_its_lists(array: np.ndarray) -> None:
    dtype = array.dtype.name
    back = to_array(array.tolist(), dtype)
    assert back.dtype == array.dtype
    # A list that ends in an empty one does not tell what would have been below.
    if array.size:
        assert back.tobytes() == array.tobytes() or np.array_equal(back, array, equal_nan=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.builds(lambda text: {"b64": text}, st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.sampled_from(get_args(DType)))
def test_any_json_is_an_array_or_refused(value: Any, dtype: str) -> None:
    with suppress(MisfitError):
        assert isinstance(to_array(value, dtype), np.ndarray)
