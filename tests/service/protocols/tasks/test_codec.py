import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.domain import ModelId, ModelRef, PredictAnswer
from service.errors import Invalid
from service.protocols.tasks.codec import decode_predict, encode_predict

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]  # fmt: skip
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
        elements={"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None,
    )
)


def encoded(**outputs: np.ndarray) -> dict[str, object]:
    answer = orjson.loads(encode_predict(PredictAnswer(ModelId("m", 2), "sig", outputs)))
    assert answer["model"] == {"name": "m", "version": 2}
    assert answer["signature"] == "sig"
    return answer["outputs"]


@given(ARRAYS)
def test_outputs_round_trip_through_json(array: np.ndarray) -> None:
    back = np.array(encoded(y=array)["y"], dtype=array.dtype).reshape(array.shape)
    assert np.array_equal(back, array)


def test_floats_are_as_short_as_their_type_allows() -> None:
    assert b"[0.1]" in encode_predict(PredictAnswer(ModelId("m", 1), "s", {"y": np.array([0.1], np.float32)}))


def test_strided_and_string_outputs_are_nested_lists() -> None:
    assert encoded(y=np.arange(6, dtype=np.float32).reshape(2, 3).T) == {"y": [[0, 3], [1, 4], [2, 5]]}
    assert encoded(y=np.array([["a", b"b"]], object)) == {"y": [["a", "b"]]}
    assert encoded(y=np.array("a", object)) == {"y": "a"}


def test_what_is_not_a_finite_number_becomes_null() -> None:
    assert encoded(y=np.array([1, math.nan, math.inf], np.float32)) == {"y": [1, None, None]}


def test_a_whole_request_is_read() -> None:
    body = {
        "model": "m",
        "version": 3,
        "signature": "encode",
        "inputs": {"x": [[1.5]], "words": ["a"]},
        "outputs": ["y"],
    }
    ref, request = decode_predict(json.dumps(body).encode())
    assert ref == ModelRef("m", 3, None)
    assert (request.signature, request.outputs) == ("encode", ("y",))
    assert request.inputs == {"x": [[1.5]], "words": ["a"]}


def test_only_inputs_are_needed() -> None:
    assert decode_predict(b'{"inputs":{"x":1}}')[0] == ModelRef()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"inputs": None}, "inputs"),
        ({"inputs": [1]}, "inputs"),
        ({"model": ""}, "model"),
        ({"model": "../x"}, "model"),
        ({"model": "m\n"}, "model"),
        ({"model": 3}, "model"),
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"version": 2**63}, "version"),
        ({"version": "1"}, "version"),
        ({"label": "a/b"}, "label"),
        ({"version": 1, "label": "stable"}, "label"),
        ({"signature": 1}, "signature"),
        ({"outputs": "y"}, "outputs"),
        ({"outputs": [1]}, "outputs"),
        ({"outputs": ["y", "y"]}, "outputs"),
        ({"instances": []}, "instances"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode_predict(json.dumps({"inputs": {"x": [1]}, **change}).encode())
    assert caught.value.field == field
