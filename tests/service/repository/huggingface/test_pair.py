"""An encoder and a decoder as one; what does not fit is named."""

from __future__ import annotations

import numpy as np
import pytest

from service.domain import Tensors
from service.engine.contracts import GraphTensor
from service.repository.errors import LoadError
from service.repository.huggingface import decoder, pair
from service.repository.huggingface.configuration import Architecture, Configuration
from service.repository.huggingface.pair import Encoder
from tests.support.fakes import FakeSession

TOLD = Configuration(architecture=Architecture(pad_token_id=3))
IDS = GraphTensor("int64", ("batch", "time"))
MASK = GraphTensor("int64", ("batch", "source"))
HIDDEN = GraphTensor("float32", ("batch", "source", 4))
OWN = GraphTensor("float32", ("batch", 1, "past", 4))
CROSS = GraphTensor("float32", ("batch", 1, "source", 4))
LOGITS = GraphTensor("float32", ("batch", "time", 9))
OWN_NAMES = ("past_key_values.0.decoder.key", "past_key_values.0.decoder.value")
CROSS_NAMES = ("past_key_values.0.encoder.key", "past_key_values.0.encoder.value")


def encode(feeds: Tensors) -> Tensors:
    """Ones for what the mask lets through."""
    mask = feeds.get("attention_mask", np.ones(feeds["input_ids"].shape))
    return {
        "last_hidden_state": np.repeat((feeds["input_ids"] * mask)[..., None], 4, axis=2).astype(np.float32)
    }


def encoding(**changes: GraphTensor | None) -> FakeSession:
    inputs = {"input_ids": IDS, "attention_mask": MASK, **changes}
    kept = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    return FakeSession(encode, inputs=kept, outputs={"last_hidden_state": HIDDEN})


def merged(**more: GraphTensor) -> FakeSession:
    """A merged decoder; its first pass keeps the hidden states, plus the start token, as cross-attention caches."""

    def run(feeds: Tensors) -> Tensors:
        assert feeds["use_cache_branch"].tolist() == [False]
        assert feeds[OWN_NAMES[0]].shape == (len(feeds["input_ids"]), 1, 0, 4)
        cross = (feeds["encoder_hidden_states"] + feeds["input_ids"][:, :, None])[:, None]
        return {name.replace("past_key_values", "present"): cross for name in CROSS_NAMES}

    inputs = {
        "input_ids": IDS,
        "encoder_attention_mask": MASK,
        "encoder_hidden_states": HIDDEN,
        **dict.fromkeys(OWN_NAMES, OWN),
        **dict.fromkeys(CROSS_NAMES, CROSS),
        "use_cache_branch": GraphTensor("bool", (1,)),
        **more,
    }
    outputs = {
        name.replace("past_key_values", "present"): inputs[name] for name in (*OWN_NAMES, *CROSS_NAMES)
    }
    return FakeSession(run, inputs=inputs, outputs={"logits": LOGITS, **outputs})


def paired(encoding: FakeSession, decoding: FakeSession) -> Encoder:
    step = decoder.describe("step.onnx", pair.with_cache(decoding, use=True), TOLD)
    first = pair.with_cache(decoding, use=False)
    return pair.encoder("encoder_model.onnx", encoding, first, step, start_id=5)


def test_a_source_becomes_the_context_of_the_decoder() -> None:
    made = paired(encoding(), merged())
    inputs = [(tensor.name, tensor.kind, tensor.shape, tensor.pad) for tensor in made.signature.inputs]
    assert inputs == [
        ("source_ids", "token_ids", ("batch", "source"), 3),
        ("encoder_attention_mask", "mask", ("batch", "source"), 0),
    ]
    names = [tensor.name for tensor in made.signature.outputs]
    assert names == ["encoder_hidden_states", *CROSS_NAMES]
    feeds = {"source_ids": np.array([[1, 2], [3, 0]]), "encoder_attention_mask": np.array([[1, 1], [1, 0]])}
    hidden, key, value = made.session.run(feeds, names)
    assert hidden[..., 0].tolist() == [[1, 2], [3, 0]]
    assert key[:, 0, :, 0].tolist() == value[:, 0, :, 0].tolist() == [[6, 7], [8, 5]]


def test_the_mask_may_be_the_decoders_alone() -> None:
    made = paired(encoding(attention_mask=None), merged())
    assert {tensor.name for tensor in made.signature.inputs} == {"source_ids", "encoder_attention_mask"}


def test_a_decoder_that_does_not_mask_its_source_is_refused() -> None:
    decoding = merged()
    decoding.inputs = {
        name: each for name, each in decoding.inputs.items() if name != "encoder_attention_mask"
    }
    with pytest.raises(LoadError, match=r"'step.onnx' has no input 'encoder_attention_mask'"):
        paired(encoding(), decoding)


def test_an_encoder_with_another_output_is_refused() -> None:
    other = encoding()
    other.outputs = {"pooled": HIDDEN}
    with pytest.raises(
        LoadError, match=r"'encoder_model.onnx' needs an input 'input_ids' and an output 'last_hid"
    ):
        paired(other, merged())


def test_an_input_that_nothing_fills_is_named() -> None:
    with pytest.raises(LoadError, match=r"nothing fills the input 'language_id' of 'encoder_model.onnx'"):
        paired(encoding(language_id=MASK), merged())


def test_a_first_pass_that_does_not_give_the_context_is_refused() -> None:
    decoding = merged()
    decoding.outputs = {name: each for name, each in decoding.outputs.items() if "encoder.value" not in name}
    with pytest.raises(LoadError, match=r"gives 'past_key_values.0.encoder.value'"):
        paired(encoding(), decoding)
