from typing import Any

import pytest

from export import coherence
from export.errors import RecipeError
from service.bundle import (
    Classify,
    Encoder,
    Generate,
    ImageInput,
    Predict,
    Score,
    Signature,
    StateEntry,
    StepGraph,
    Tensor,
    TextInput,
    Tokenizer,
    Translate,
)
from tests.export.toys import STEP, WORDS

TOKENIZER = Tokenizer(kind="tokenizers", file="assets.extra/tokenizer.json")


def signature(inputs: tuple[Tensor, ...], *outputs: tuple[str, str, tuple[int | str, ...]]) -> Signature:
    """A signature with outputs of name, dtype and shape."""
    made = tuple(
        Tensor.model_validate(dict(zip(("name", "dtype", "shape"), entry, strict=True))) for entry in outputs
    )
    return Signature(file="model.onnx", saved_model_signature="any", inputs=inputs, outputs=made)


SIGNATURES = {
    "classify": signature(
        (Tensor(name="image", dtype="float32", shape=("batch", 8, 8, 1)),), ("share", "float32", ("batch", 3))
    ),
    "score": signature(
        (Tensor(name="row", dtype="float32", shape=("batch", 2)),),
        ("score", "float32", ("batch",)), ("alarm", "bool", ("batch",)), ("limit", "float32", ("batch",)),
        ("parts", "float32", ("batch", 2)),
    ),
    "encode": signature(
        (*WORDS, Tensor(name="source_mask", dtype="float32", shape=("batch", "time"), kind="mask")),
        ("cross_key", "float32", ("batch", 2, "time", 4)),
    ),
    "step": signature(STEP, ("logits", "float32", ("batch", 50)), ("new_key", "float32", ("batch", 2, 1, 4))),
}  # fmt: skip
CLASSIFY = Classify(
    signature="classify", input="image", probabilities="share", labels=("a", "b", "c"),
    accepts=ImageInput(height=8, width=8, channels=1, scale=1.0),
)  # fmt: skip
SCORE = Score(
    signature="score", input="row", features=("a", "b"), score="score", is_anomaly="alarm", threshold="limit",
    contributions="parts",
)  # fmt: skip
DRIVEN = StepGraph(
    signature="step", tokens="token", logits="logits", positions="position", past_mask="past_mask",
    state=(StateEntry(input="past_key", output="new_key", mode="append", axis=2),),
    context=("source_mask", "cross_key"),
)  # fmt: skip
TRANSLATE = Translate(
    encode="encode", source="ids", step=DRIVEN, source_tokenizer=TOKENIZER, target_tokenizer=TOKENIZER,
    source_language="en", target_language="fr", vocabulary_size=50, start_id=1, end_id=2, pad_id=0,
    max_source_tokens=8, max_new_tokens=8,
)  # fmt: skip


@pytest.mark.parametrize("task", [CLASSIFY, SCORE, TRANSLATE, Predict()])
def test_a_task_that_fits_its_signatures_passes(task: Any) -> None:
    coherence.check(task, SIGNATURES)


@pytest.mark.parametrize(
    ("task", "changes", "reason"),
    [
        (CLASSIFY, {"signature": "gone"}, "there is no signature 'gone'"),
        (CLASSIFY, {"input": "pixels"}, "no input 'pixels'"),
        (CLASSIFY, {"probabilities": "logits"}, "no output 'logits'"),
        (CLASSIFY, {"labels": ("a", "b")}, "expected 2 at the end: one for each label"),
        (
            CLASSIFY,
            {"accepts": ImageInput(height=9, width=8, channels=1, scale=1.0)},
            r"images are \[9, 8, 1\]",
        ),
        (SCORE, {"features": ("a",)}, "'row' is .*expected 1 at the end"),
        (SCORE, {"contributions": "score"}, "'score' is .*expected 2 at the end"),
        (SCORE, {"is_anomaly": "limit"}, "output 'limit' is not bool"),
        (SCORE, {"threshold": "gone"}, "no output 'gone'"),
        (TRANSLATE, {"vocabulary_size": 51}, "'logits' is .*expected 51 at the end"),
        (TRANSLATE, {"source": "token"}, "no input 'token'"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(task: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        coherence.check(task.model_copy(update=changes), SIGNATURES)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"positions": "place"}, "no input 'place'"),
        ({"past_mask": None}, r"nothing feeds the inputs \['past_mask'\]"),
        ({"context": ("source_mask",)}, r"nothing feeds the inputs \['cross_key'\]"),
        ({"context": ("source_mask", "cross_key", "past_mask")}, "the encoder has no 'past_mask'"),
        (
            {"state": (StateEntry(input="past_key", output="logits", mode="replace"),)},
            "not of one dtype and rank",
        ),
        ({"state": (StateEntry(input="past_key", output="new_key", mode="append", axis=4),)}, "no axis 4"),
    ],
)
def test_a_step_that_cannot_be_driven_is_refused(changes: dict[str, Any], reason: str) -> None:
    task = TRANSLATE.model_copy(update={"step": DRIVEN.model_copy(update=changes)})
    with pytest.raises(RecipeError, match=reason):
        coherence.check(task, SIGNATURES)


def test_a_generator_has_no_encoder_that_could_give_a_context() -> None:
    task = Generate(
        step=DRIVEN, tokenizer=TOKENIZER, vocabulary_size=50, max_prompt_tokens=8, max_new_tokens=8
    )
    with pytest.raises(RecipeError, match="no encoder that could give a context"):
        coherence.check(task, SIGNATURES)


def test_a_generator_with_an_encoder_is_checked_as_a_translator_is() -> None:
    reads = Encoder(signature="encode", source="ids", tokenizer=TOKENIZER, vocabulary_size=50, end_id=2)
    task = Generate(
        step=DRIVEN, encoder=reads, tokenizer=TOKENIZER, vocabulary_size=50, start_id=1, max_prompt_tokens=8,
        max_new_tokens=8,
    )  # fmt: skip
    coherence.check(task, SIGNATURES)
    assert list(coherence.assets(task)) == [TOKENIZER.file, TOKENIZER.file]
    with pytest.raises(RecipeError, match="no input 'token'"):
        coherence.check(
            task.model_copy(update={"encoder": reads.model_copy(update={"source": "token"})}), SIGNATURES
        )


def test_tokenizers_are_files_that_a_task_needs() -> None:
    text = CLASSIFY.model_copy(update={"accepts": TextInput(tokenizer=TOKENIZER, max_tokens=8)})
    assert list(coherence.assets(text)) == [TOKENIZER.file]
    assert list(coherence.assets(TRANSLATE)) == [TOKENIZER.file, TOKENIZER.file]
    assert list(coherence.assets(CLASSIFY)) == []
    assert list(coherence.assets(Predict(tokenizer=TOKENIZER))) == [TOKENIZER.file]


def test_attention_is_one_weight_for_each_token() -> None:
    share = Tensor(name="share", dtype="float32", shape=("batch", 3))
    text = Classify(
        signature="read", input="ids", probabilities="share", labels=("a", "b", "c"), attention="weights",
        accepts=TextInput(tokenizer=TOKENIZER, max_tokens=8),
    )  # fmt: skip
    ids = Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", range=(0, 9))

    def signatures(*axes: str) -> dict[str, Signature]:
        outputs = (share, Tensor(name="weights", dtype="float32", shape=axes))
        return {
            "read": Signature(file="x.onnx", saved_model_signature="read", inputs=(ids,), outputs=outputs)
        }

    coherence.check(text, signatures("batch", "time"))
    with pytest.raises(RecipeError, match=r"'weights' is \['batch'\], expected one weight for each token"):
        coherence.check(text, signatures("batch"))
