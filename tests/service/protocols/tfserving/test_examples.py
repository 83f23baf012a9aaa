from typing import Any

import pytest

from pb import tensorflow_pb2 as tf
from pb import tfserving_pb2 as pb
from service.errors import Invalid
from service.protocols.tfserving import examples

NAMES = ("length", "width")


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
    return [{name: list(values) for name, values in each.items() if name in NAMES} for each in given]


def test_messages_and_json_give_the_same_features() -> None:
    message = pb.Input(example_list=pb.ExampleList(examples=[example(length=[1.5], width=[2], other=[b"x"])]))
    document = {"examples": [{"width": 2, "length": [1.5], "other": {"b64": "eA=="}}]}
    assert (
        rows(examples.from_input(message))
        == rows(examples.from_document(document))
        == [{"length": [1.5], "width": [2]}]
    )


def test_features_of_the_context_are_everyones_unless_an_example_has_its_own() -> None:
    both = pb.ExampleListWithContext(examples=[example(length=[1.0]), example(width=[5.0])], context=example(length=[3.0], width=[4.0]))  # fmt: skip
    message = pb.Input(example_list_with_context=both)
    document = {"context": {"length": 3.0, "width": 4.0}, "examples": [{"length": 1.0}, {"width": 5.0}]}
    assert (
        rows(examples.from_input(message))
        == rows(examples.from_document(document))
        == [{"length": [1], "width": [4]}, {"length": [3], "width": [5]}]
    )


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
