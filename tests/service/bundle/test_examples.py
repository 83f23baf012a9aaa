"""What a bundle may declare of `tf.Example`s, and what follows from its task without it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from service import bundle
from service.bundle import ExampleFeature, Examples, ImageInput, Manifest, Signature, Tensor
from tests.support import gateway

PICTURE = ImageInput(height=4, width=4, channels=1, scale=1.0)


def tensor(name: str, dtype: str, *shape: int | str) -> Tensor:
    return Tensor.model_validate({"name": name, "dtype": dtype, "shape": shape})


def signatures(*inputs: Tensor, output: Tensor | None = None) -> dict[str, Signature]:
    outputs = (output or tensor("y", "float32", "batch", 2),)
    return {"s": Signature(file="model.onnx", saved_model_signature="", inputs=inputs, outputs=outputs)}


X = tensor("x", "float32", "batch", 3)
PIXELS = tensor("x", "float32", "batch", 4, 4, 1)


def examples(*features: Any, **changes: Any) -> Examples:
    inputs = {"x": features or (ExampleFeature(name="a", shape=(3,)),)}
    fields = {
        "method": "classify",
        "signature": "s",
        "inputs": inputs,
        "output": "y",
        "labels": ("no", "yes"),
    }
    return Examples.model_validate({**fields, **changes})


def test_features_that_fill_each_input_are_taken() -> None:
    examples().check(signatures(X))
    examples(ExampleFeature(name="a"), ExampleFeature(name="b", kind="int64", shape=(2,))).check(
        signatures(X)
    )
    examples(ExampleFeature(name="p", kind="bytes", image=PICTURE)).check(signatures(PIXELS))
    value = tensor("y", "float32", "batch", 1)
    examples(method="regress", labels=()).check(signatures(X, output=value))


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        (examples(signature="t"), signatures(X), "'t' is not among"),
        (examples(), signatures(X, tensor("z", "float32", "batch")), r"for \['x', 'z'\], got \['x'\]"),
        (examples(), signatures(tensor("x", "float32", "batch", "time")), "one free axis"),
        (examples(), signatures(tensor("x", "float32", 1, 3)), "one free axis"),
        (examples(), signatures(tensor("x", "float32", "batch", 4)), "expected 4 values"),
        (examples(), signatures(tensor("x", "int32", "batch", 3)), "kind float does not fill int32"),
        (examples(ExampleFeature(name="p", kind="bytes", image=PICTURE)), signatures(X), "image alone"),
        (examples(output="z"), signatures(X), "no output 'z'"),
        (examples(labels=("one",)), signatures(X), "a score for each label"),
        (examples(), signatures(X, output=tensor("y", "int64", "batch", 2)), "expected floats"),
        (examples(method="regress", labels=()), signatures(X), r"\[batch\] or \[batch, 1\]"),
    ],
)
def test_what_cannot_be_fed_or_told_is_refused(declared: Examples, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declared.check(given)


def test_an_image_is_one_value_of_bytes() -> None:
    with pytest.raises(ValidationError, match="one value of kind bytes"):
        ExampleFeature(name="p", image=PICTURE)


def test_a_manifest_holds_what_it_declares_and_is_read_back() -> None:
    features = (ExampleFeature(name="both", shape=(2,)),)
    declared = Examples(
        method="classify",
        signature="serving_default",
        inputs={"x": features},
        output="p",
        labels=("no", "yes"),
    )
    manifest = gateway.manifest()
    document = {**manifest.model_dump(mode="json"), "examples": [declared.model_dump(mode="json")]}
    assert Manifest.model_validate(document).example_signatures() == (declared,)
    with pytest.raises(ValidationError, match="declared once"):
        Manifest.model_validate({**document, "examples": document["examples"] * 2})
    document["examples"][0]["output"] = "q"
    with pytest.raises(ValidationError, match="no output 'q'"):
        Manifest.model_validate(document)


def test_rows_of_features_and_pictures_are_classified_without_a_declaration() -> None:
    (found,) = gateway.manifest().example_signatures()
    assert (found.method, [feature.name for feature in found.inputs["x"]]) == (
        "classify",
        ["height", "width"],
    )
    task = bundle.Classify(signature="s", input="x", probabilities="y", labels=("a", "b"), accepts=PICTURE)
    (found,) = bundle.derived_examples(task, signatures(PIXELS))
    (feature,) = found.inputs["x"]
    assert (feature.name, feature.kind, feature.image) == ("image/encoded", "bytes", PICTURE)
    assert bundle.derived_examples(task, signatures(PIXELS, X)) == ()
    assert bundle.derived_examples(task, {}) == ()
    assert bundle.derived_examples(bundle.Predict(), signatures(X)) == ()
