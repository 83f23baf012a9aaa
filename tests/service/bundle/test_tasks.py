"""What a task may say of a model."""

import pytest
from pydantic import ValidationError

from service.bundle import Classify, FeatureInput, TextInput, Tokenizer


def classify(accepts: FeatureInput | TextInput) -> Classify:
    return Classify(
        signature="s", input="x", probabilities="p", labels=("a", "b"), accepts=accepts, attention="w"
    )


def test_only_models_of_texts_tell_attention() -> None:
    text = TextInput(tokenizer=Tokenizer(kind="characters", file="f"), max_tokens=4)
    assert classify(text).attention == "w"
    with pytest.raises(ValidationError, match="attention is told of the tokens of a text"):
        classify(FeatureInput(names=("a",)))
