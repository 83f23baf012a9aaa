import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid, ServiceError
from service.protocols.tfserving.predictions import decode
from tests.service.protocols.tfserving import manifests
from tests.service.protocols.tfserving.manifests import CONSTANT, ONE, TEXT, TWO

MANIFEST = manifests.of({"own": ONE, "two": TWO, "text": TEXT, "constant": CONSTANT})
FAILED = "Failed to process element: "


def inputs(document: Any) -> dict[str, Any]:
    body = json.dumps(document).encode()
    return {name: array.tolist() for name, array in decode(body, MANIFEST).request.inputs.items()}


def refusal(document: Any) -> str:
    with pytest.raises(Invalid) as caught:
        inputs(document)
    return caught.value.message


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"instances": [[1, 2], [3, 4]]}, {"x": [[1, 2], [3, 4]]}),
        ({"instances": [{"x": [1, 2]}]}, {"x": [[1, 2]]}),
        ({"instances": [1.5]}, {"x": [1.5]}),
        ({"inputs": [[1, 2]]}, {"x": [[1, 2]]}),
        ({"inputs": {"x": 1}}, {"x": 1}),
        ({"inputs": {"x": [1], "unknown": "is ignored"}}, {"x": [1]}),
        ({"signature_name": "two", "instances": [{"b": 1, "a": [2]}]}, {"a": [[2]], "b": [1]}),
        ({"signature_name": "two", "inputs": {"a": [[1]], "b": [2]}}, {"a": [[1]], "b": [2]}),
        ({"signature_name": "text", "instances": ["a", {"b64": "Yg=="}]}, {"text": ["a", b"b"]}),
        ({"signature_name": "text", "instances": [{"text": {"b64": "Yg=="}}]}, {"text": [b"b"]}),
        ({"signature_name": "text", "inputs": {"b64": "Yg=="}}, {"text": b"b"}),
    ],
)
def test_both_forms_become_arrays(document: Any, expected: Any) -> None:
    assert inputs(document) == expected


def test_the_default_signature_has_two_names() -> None:
    for name in (
        {},
        {"signature_name": ""},
        {"signature_name": "serving_default"},
        {"signature_name": "own"},
    ):
        found = decode(json.dumps({"instances": [1], **name}).encode(), MANIFEST)
        assert found.request.signature == "own"
        assert found.by_row
    assert decode(b'{"inputs": [1]}', MANIFEST).by_row is False


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"signature_name": 1}, "JSON Value: {\n    \"signature_name\": 1\n} not formatted correctly. 'signature_name' key must be a string value."),
        ({"signature_name": "none"}, 'Serving signature name: "none" not found in signature def'),
        ({"signature_name": "two", "instances": [1]}, "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"),
        ({"signature_name": "two", "instances": [{"b64": "YQ=="}]}, "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"),
        ({"signature_name": "constant", "instances": [1]}, "Failed to get input map for signature: constant"),
        ({"signature_name": "two", "inputs": [1]}, "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"),
        ({"signature_name": "two", "inputs": {"a": 1}}, "Missing named input: b in 'inputs' object."),
        ({"signature_name": "two", "instances": [{"a": 1, "b": 1}, [1]]}, "Expecting object but got list at item 1 of input list"),
        ({"instances": [[1], {"x": [1]}]}, "Expecting value/list but got object at item 1 of input list"),
        ({"instances": [{"z": 1}]}, FAILED + "0 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: z"),
        ({"signature_name": "two", "instances": [{"a": 1}]}, FAILED + "0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b"),
        ({"instances": [[1, 2], [1, 2, 3]]}, FAILED + "1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 3"),
        ({"instances": [[[1, 2]], [[1], [2]]]}, FAILED + "1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [1,2] but got: [2,1]"),
        ({"instances": [[1, 2], ["a", 2]]}, FAILED + '1 of \'instances\' list. Error: INVALID_ARGUMENT: JSON Value: "a" Type: String is not of expected type: float'),
        ({"signature_name": "two", "instances": [{"a": 1, "b": 1}, {"a": 1, "b": 0.5}]}, FAILED + "1 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 0.5 Type: Number is not of expected type: int64"),
        ({"inputs": [[1], ["a"]]}, 'JSON Value: "a" Type: String is not of expected type: float'),
    ],
)  # fmt: skip
def test_what_clients_look_for_is_in_the_text(document: Any, text: str) -> None:
    assert refusal(document) == text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"instances": [1], "inputs": [1]}, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"),
        ({"instances": 1}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": "x" * 10_000}, "Excepting 'instances' to be an list/array"),
    ],
)  # fmt: skip
def test_a_quoted_body_is_cut_so_that_the_reason_stays(document: Any, text: str) -> None:
    message = refusal(document)
    assert message.startswith("JSON Value: {")
    assert message.endswith(text)


def test_nan_passes_to_the_model() -> None:
    assert np.isnan(decode(b'{"instances": [NaN]}', MANIFEST).request.inputs["x"]).all()


@pytest.mark.parametrize("signature", ["own", "two", "text", "constant"])
@given(body=st.dictionaries(
    st.sampled_from(["instances", "inputs", "other"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "x", "text", "b64"]), inner, max_size=3),
        max_leaves=10,
    ),
))  # fmt: skip
def test_any_body_is_a_request_or_refused(signature: str, body: dict[str, Any]) -> None:
    with suppress(ServiceError):
        found = decode(json.dumps({**body, "signature_name": signature}).encode(), MANIFEST)
        assert found.request.signature == signature
