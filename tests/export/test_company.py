import numpy as np
import pytest

from export import company
from export.errors import CompanyError
from export.parity import Measure
from export.recipe import Arrays
from service.bundle import Signature, Tensor
from tests.export.toys import STEP

TABLE = np.random.default_rng(0).standard_normal((20, 3))


def mean_of_valid(feeds: Arrays) -> Arrays:
    """Look at a row's tokens up to its length."""
    mask = (np.arange(feeds["ids"].shape[1]) < feeds["lengths"][:, None])[..., None]
    return {"probabilities": (TABLE[feeds["ids"]] * mask).sum(1) / feeds["lengths"][:, None]}


def mean_of_all(feeds: Arrays) -> Arrays:
    """Look at the padding too."""
    return {"probabilities": TABLE[feeds["ids"]].mean(1)}


def normalised_by_the_batch(feeds: Arrays) -> Arrays:
    """Do as batch normalisation does while training."""
    answer = mean_of_valid(feeds)["probabilities"]
    return {"probabilities": answer - answer.mean(0)}


def test_a_row_that_padding_does_not_change_passes(words: Signature) -> None:
    assert company.check("bag", words, mean_of_valid, Measure()) == 6


@pytest.mark.parametrize("run", [mean_of_all, normalised_by_the_batch])
def test_a_row_that_others_change_is_refused(words: Signature, run: company.Runner) -> None:
    with pytest.raises(
        CompanyError, match=r"signature 'bag': a row .* is answered otherwise in a batch than alone"
    ):
        company.check("bag", words, run, Measure())


def attend(feeds: Arrays, *, masked: bool) -> Arrays:
    """Sum what is valid of past and source, or all of it; the newest key is of the token and its place."""
    past = feeds["past_mask"] if masked else np.ones_like(feeds["past_mask"])
    summed = (feeds["past_key"] * past[:, None, :, None]).sum((1, 2))
    crossed = (feeds["cross_key"] * feeds["source_mask"][:, None, :, None]).sum((1, 2))
    new = (feeds["token"] + feeds["position"])[:, None, :, None] * np.ones((1, 2, 1, 4))
    return {"logits": summed + crossed, "new_key": new}


@pytest.fixture
def attending() -> Signature:
    """A decoder's step."""
    outputs = (
        Tensor(name="logits", dtype="float64", shape=("batch", 4)),
        Tensor(name="new_key", dtype="float64", shape=("batch", 2, 1, 4)),
    )
    return Signature(file="step.onnx", saved_model_signature="step", inputs=STEP, outputs=outputs)


def test_a_step_that_keeps_to_its_masks_passes(attending: Signature) -> None:
    assert company.check("step", attending, lambda feeds: attend(feeds, masked=True), Measure()) == 6


def test_a_step_that_attends_to_what_lies_beyond_its_past_is_refused(attending: Signature) -> None:
    with pytest.raises(CompanyError, match="output 'logits' differs"):
        company.check("step", attending, lambda feeds: attend(feeds, masked=False), Measure())


def test_padded_outputs_are_compared_only_where_they_are_valid(words: Signature) -> None:
    echo = (Tensor(name="echo", dtype="int32", shape=("batch", "time")),)
    signature = words.model_copy(update={"outputs": echo})

    def with_the_width_beyond_the_end(feeds: Arrays) -> Arrays:
        width = feeds["ids"].shape[1]
        valid = np.arange(width) < feeds["lengths"][:, None]
        return {"echo": np.where(valid, feeds["ids"], width)}

    assert company.check("bag", signature, with_the_width_beyond_the_end, Measure()) == 6


def test_a_signature_without_rows_has_none_to_compare(words: Signature) -> None:
    threshold = (Tensor(name="limit", dtype="float32", shape=()),)
    signature = words.model_copy(update={"outputs": threshold})
    assert company.check("bag", signature, mean_of_all, Measure()) == 0
