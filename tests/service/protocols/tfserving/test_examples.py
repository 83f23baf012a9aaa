from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb import tensorflow_pb2 as tf
from pb import tfserving_pb2 as pb
from service import bundle
from service.errors import Invalid, ServiceError
from service.protocols.tfserving import examples, inference
from tests.service.protocols.tfserving import manifests
from tests.service.protocols.tfserving.manifests import ONE, SCORE, TWO

NAMES = ("length", "width")
CLASSIFY = bundle.Classify(
    signature="own", input="x", probabilities="y", labels=("no", "yes"),
    accepts=bundle.FeatureInput(names=NAMES),
)  # fmt: skip


def example(**features: Any) -> tf.Example:
    made = tf.Example()
    for name, values in features.items():
        kind = made.features.feature[name]
        if isinstance(values[0], float):
            kind.float_list.value.extend(values)
        elif isinstance(values[0], int):
            kind.int64_list.value.extend(values)
        else:
            kind.bytes_list.value.extend(values)
    return made


def rows(given: list[Any]) -> Any:
    return examples.to_rows(given, NAMES, "float32").tolist()


def test_messages_and_json_give_the_same_rows() -> None:
    message = pb.Input(example_list=pb.ExampleList(examples=[example(length=[1.5], width=[2], other=[b"x"])]))
    document = {"examples": [{"width": 2, "length": [1.5], "other": {"b64": "eA=="}}]}
    assert rows(examples.from_input(message)) == rows(examples.from_document(document)) == [[1.5, 2]]


def test_features_of_the_context_are_everyones_unless_an_example_has_its_own() -> None:
    both = pb.ExampleListWithContext(examples=[example(length=[1.0]), example(width=[5.0])], context=example(length=[3.0], width=[4.0]))  # fmt: skip
    message = pb.Input(example_list_with_context=both)
    document = {"context": {"length": 3.0, "width": 4.0}, "examples": [{"length": 1.0}, {"width": 5.0}]}
    assert rows(examples.from_input(message)) == rows(examples.from_document(document)) == [[1, 4], [3, 5]]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "When method is classify, key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{}], "context": []}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{"a": None}]}, "Feature: a has element with unexpected JSON type: Null"),
        ({"examples": [{"a": [[1]]}]}, "Feature: a has element with unexpected JSON type: Array"),
        ({"examples": [{"a": {"c": 1}}]}, "Feature: a has element with unexpected JSON type: Object"),
        ({"examples": [{"a": [1, 1.5]}]}, "Unexpected element type in feature: a expecting type: int64"),
        ({"examples": [{"a": ["x", True]}]}, "Unexpected element type in feature: a expecting type: bytes"),
    ],
)
def test_json_that_is_no_example_is_told_in_their_words(document: Any, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        examples.from_document(document)
    assert caught.value.message.endswith(text)


def test_an_input_of_no_examples_is_refused() -> None:
    for message in (pb.Input(), pb.Input(example_list=pb.ExampleList())):
        with pytest.raises(Invalid, match="Input is empty"):
            examples.from_input(message)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"length": [1.0]}, "Feature: width (data type: float) is required but could not be found."),
        ({"length": [1.0], "width": []}, "Feature: width (data type: float) is required"),
        ({"length": [1.0], "width": [1.0, 2.0]}, "values size: 2 but output shape: []"),
        ({"length": [1.0], "width": ["x"]}, "Data types don't match. Expected type: float"),
        ({"length": [1.0], "width": [{"b64": "eA=="}]}, "Data types don't match. Expected type: float"),
        ({"length": [1.0], "width": [1e39]}, "a feature's value does not fit float32"),
        ({"length": [1.0], "width": [10**400]}, "a feature's value does not fit a float"),
    ],
)
def test_a_feature_that_is_no_single_number_is_refused(given: Any, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        rows([given])
    assert text in caught.value.message


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.floats() | st.integers() | st.text(), max_size=2)))
def test_any_features_are_a_row_or_refused(given: Any) -> None:
    try:
        (row,) = rows([given])
    except ServiceError:
        return
    assert len(row) == 2


def test_a_classifier_of_features_classifies_and_a_scorer_regresses() -> None:
    able = inference.ability(manifests.of({"own": ONE}, CLASSIFY), "", "classify")
    assert (able.signature, able.input, able.output, able.labels) == ("own", "x", "y", ("no", "yes"))
    manifest = manifests.of({"score": ONE, "other": TWO}, SCORE)
    able = inference.ability(manifest, "serving_default", "regress")
    request = able.request([{"length": [1.0], "width": [2]}], manifest)
    assert (request.signature, request.outputs) == ("score", ("y",))
    assert request.inputs["x"].tolist() == [[1, 2]]
    assert request.inputs["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("task", "asked", "method", "text"),
    [
        (SCORE, "none", "regress", "No signature was found with the name: none"),
        (SCORE, "other", "regress", "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict"),
        (SCORE, "", "classify", "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/regress"),
        (None, "", "classify", "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_told_in_their_words(task: Any, asked: str, method: Any, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        inference.ability(manifests.of({"score": ONE, "other": TWO}, task), asked, method)
    assert caught.value.message == text
