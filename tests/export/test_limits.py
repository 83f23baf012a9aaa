"""What a model card says a model cannot do."""

from dataclasses import replace

from export.limits import sentences
from export.recipe import Source
from service.bundle import Classify, ImageInput, Predict, Signature, Tensor
from training.job import Expectation


def said(source: Source, **changes: object) -> str:
    return " ".join(sentences(replace(source, **changes), Predict(), {}))


def test_a_bound_that_is_met_is_no_limit(source: Source) -> None:
    assert "misses" not in said(source, expected=(Expectation("accuracy", at_least=0.7),))
    assert "accuracy is 0.75, not <= 0.1" in said(source, expected=(Expectation("accuracy", at_most=0.1),))


def test_a_short_training_is_told(source: Source) -> None:
    quick = source.provenance.model_copy(update={"profile": "quick"})
    assert "`smoke`" in said(source)
    assert "`smoke`" not in said(source, provenance=quick)


def test_sizes_and_ranges_of_inputs_are_told(source: Source) -> None:
    image = Tensor(name="image", dtype="float32", shape=("batch", 8, 9, 1), range=(0, 1))
    signature = Signature(file="model.onnx", saved_model_signature="a", inputs=(image,), outputs=())
    accepts = ImageInput(height=8, width=9, channels=1, scale=1.0)
    task = Classify(signature="a", input="image", probabilities="p", labels=("x", "y"), accepts=accepts)
    text = " ".join(sentences(source, task, {"a": signature}))
    assert "resized to 8x9 with 1 channels" in text
    assert "`a` expects `image` within 0 to 1." in text
