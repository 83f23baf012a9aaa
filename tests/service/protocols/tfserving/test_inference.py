from typing import Any

import pytest

from service import bundle
from service.bundle import ExampleFeature, Examples
from service.errors import Invalid
from service.protocols.tfserving import inference
from tests.service.protocols.tfserving import manifests
from tests.service.protocols.tfserving.manifests import ONE, SCORE, SCORED, TWO

CLASSIFY = bundle.Classify(
    signature="own", input="x", probabilities="y", labels=("no", "yes"),
    accepts=bundle.FeatureInput(names=("length", "width")),
)  # fmt: skip


def test_a_classifier_of_features_classifies_and_a_scorer_regresses() -> None:
    found = inference.declaration(manifests.of({"own": ONE}, CLASSIFY), "", "classify")
    assert (found.signature, found.output, found.labels) == ("own", "y", ("no", "yes"))
    found = inference.declaration(
        manifests.of({"score": SCORED, "other": TWO}, SCORE), "serving_default", "regress"
    )
    assert (found.signature, found.output, found.labels) == ("score", "y", ())
    assert [feature.name for feature in found.inputs["x"]] == ["length", "width"]


def test_what_the_manifest_declares_counts_and_not_what_the_task_is() -> None:
    wide = (ExampleFeature(name="all", shape=(2,)),)
    both = (
        Examples(method="classify", signature="own", inputs={"x": wide}, output="y", labels=("a", "b")),
        Examples(method="regress", signature="scored", inputs={"x": wide}, output="y"),
    )
    manifest = manifests.of({"own": ONE, "scored": SCORED}, CLASSIFY).model_copy(update={"examples": both})
    assert inference.declaration(manifest, "own", "classify") == both[0]
    assert inference.declaration(manifest, "scored", "regress") == both[1]
    with pytest.raises(Invalid):
        inference.declaration(manifest, "scored", "classify")


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
        inference.declaration(manifests.of({"score": SCORED, "other": TWO}, task), asked, method)
    assert caught.value.message == text
