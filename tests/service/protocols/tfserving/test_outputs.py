import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.errors import Invalid
from service.protocols.tfserving import outputs


def test_one_output_is_its_value() -> None:
    y = np.array([[1, 0.1]], np.float32)
    assert outputs.by_row({"y": y}) == b'{"predictions":[[1.0,0.1]]}'
    assert outputs.by_column({"y": y}) == b'{"outputs":[[1.0,0.1]]}'
    assert outputs.by_column({"y": np.array(2.5)}) == b'{"outputs":2.5}'


def test_several_outputs_are_objects() -> None:
    arrays = {"a": np.array([1, 2], np.int64), "b": np.array([[True], [False]])}
    assert json.loads(outputs.by_row(arrays)) == {
        "predictions": [{"a": 1, "b": [True]}, {"a": 2, "b": [False]}]
    }
    assert json.loads(outputs.by_column(arrays)) == {"outputs": {"a": [1, 2], "b": [[True], [False]]}}


def test_nan_and_infinities_are_bare_words() -> None:
    y = np.array([[np.nan, 1], [-np.inf, np.inf]], np.float32)
    assert outputs.by_row({"y": y}) == b'{"predictions":[[NaN,1.0],[-Infinity,Infinity]]}'
    both = outputs.by_row({"y": y, "z": np.array([0, np.nan])})
    assert both == b'{"predictions":[{"y":[NaN,1.0],"z":0.0},{"y":[-Infinity,Infinity],"z":NaN}]}'
    assert outputs.by_column({"y": np.array(np.nan, np.float16)}) == b'{"outputs":NaN}'


def test_text_is_text_and_bytes_are_base64_by_the_name() -> None:
    texts = np.array(["a", b"\xff", "\ud800"], object)
    assert json.loads(outputs.encode(texts, "t")) == ["a", "\ufffd", "\\ud800"]
    assert json.loads(outputs.encode(texts, "t_bytes")) == [{"b64": "YQ=="}, {"b64": "/w=="}, {"b64": "Pw=="}]


def test_outputs_that_are_not_of_the_same_rows_are_refused() -> None:
    with pytest.raises(Invalid, match="Tensor name: b has inconsistent batch size: 1 expecting: 2"):
        outputs.by_row({"a": np.zeros(2), "b": np.zeros(1)})
    with pytest.raises(Invalid, match="Tensor name: a has no shape information"):
        outputs.by_row({"a": np.array(1.0)})


def test_results_are_pairs_with_labels_and_numbers_without() -> None:
    values = np.array([[0.5, 0.1], [np.nan, 1]], np.float32)
    assert outputs.results(values, ("no", 'y"')) == (
        b'{"results":[[["no",0.5],["y\\"",0.1]],[["no",NaN],["y\\"",1.0]]]}'
    )
    assert outputs.results(np.array([0.1], np.float32), ()) == b'{"results":[0.1]}'


@given(
    st.sampled_from(["float16", "float32", "float64", "int8", "int64", "uint64", "bool"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
    )
)
def test_every_array_is_json_that_gives_it_back(array: Any) -> None:
    back = json.loads(outputs.encode(array, "y"))
    again = np.array(back, array.dtype).reshape(array.shape)
    assert np.array_equal(again, array, equal_nan=array.dtype.kind == "f")


def test_a_strided_array_is_written_in_its_own_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    array[1, 0] = np.nan
    assert outputs.encode(array, "y") == b"[[0.0,3.0],[NaN,4.0],[2.0,5.0]]"
