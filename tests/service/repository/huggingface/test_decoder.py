"""A decoder's inputs and outputs, and what follows from them; every misfit is named."""

from __future__ import annotations

from typing import Any

import pytest

from service.bundle import StateEntry
from service.engine.contracts import GraphTensor
from service.repository.errors import LoadError
from service.repository.huggingface.configuration import Architecture, Configuration, Generation
from service.repository.huggingface.decoder import Decoder, continues, describe
from tests.support.fakes import FakeSession

TOLD = Configuration(architecture=Architecture(pad_token_id=3))
IDS = GraphTensor("int64", ("batch_size", "sequence_length"))
ALL = GraphTensor("int64", ("batch_size", "past_sequence_length + sequence_length"))
PAST = GraphTensor("float32", ("batch_size", 2, "past_sequence_length", 8))
CROSS = GraphTensor("float32", ("batch_size", 2, "encoder_sequence_length", 8))
LOGITS = GraphTensor("float32", ("batch_size", "sequence_length", 50))


def graph(layers: int = 2, **changes: GraphTensor | None) -> FakeSession:
    """A decoder alone with one or more tensors changed, or, as None, left out; dots are written as __."""
    names = [f"{layer}.{part}" for layer in range(layers) for part in ("key", "value")]
    inputs: dict[str, GraphTensor] = {"input_ids": IDS, "attention_mask": ALL, "position_ids": IDS}
    inputs |= {f"past_key_values.{name}": PAST for name in names}
    outputs: dict[str, GraphTensor] = {"logits": LOGITS, **{f"present.{name}": PAST for name in names}}
    for name, tensor in changes.items():
        side, _, full = name.replace("__", ".").partition(".")
        place = {"input": inputs, "output": outputs}[side]
        if tensor is None:
            del place[full]
        else:
            place[full] = tensor
    return FakeSession(lambda feeds: feeds, inputs=inputs, outputs=outputs)


def described(session: FakeSession, told: Configuration = TOLD) -> Decoder:
    return describe("model.onnx", session, told)


def shapes(decoder: Decoder) -> dict[str, Any]:
    return {tensor.name: (tensor.dtype, tensor.shape, tensor.kind) for tensor in decoder.signature.inputs}


def test_a_graph_with_caches_of_that_name_continues_sequences() -> None:
    assert continues(graph())
    assert not continues(FakeSession(lambda feeds: feeds, inputs={"input_ids": IDS}))


def test_layers_heads_sizes_and_axes_follow_from_the_graph() -> None:
    made = described(graph())
    assert shapes(made) == {
        "input_ids": ("int64", ("batch", "time"), "token_ids"),
        "attention_mask": ("int64", ("batch", "past + time"), "mask"),
        "position_ids": ("int64", ("batch", "time"), "positions"),
        **{
            f"past_key_values.{layer}.{part}": ("float32", ("batch", 2, "past", 8), "state")
            for layer in (0, 1)
            for part in ("key", "value")
        },
    }
    assert made.signature.input("input_ids").pad == 3
    assert made.signature.input("input_ids").range == (0, 50)
    assert made.signature.output("logits").shape == ("batch", "time", 50)
    assert made.vocabulary_size == 50
    step = made.step
    assert (step.tokens, step.logits, step.mask, step.positions) == (
        "input_ids", "logits", "attention_mask", "position_ids",
    )  # fmt: skip
    assert step.state[0] == StateEntry(
        input="past_key_values.0.key", output="present.0.key", mode="append", axis=2, whole=True
    )
    assert len(step.state) == 4
    assert step.context == ()


def test_positions_and_the_mask_may_be_left_to_the_graph() -> None:
    step = described(graph(input__position_ids=None, input__attention_mask=None)).step
    assert (step.positions, step.mask) == (None, None)


def test_ids_of_32_bits_and_caches_of_16_are_fed_as_they_are() -> None:
    half = GraphTensor("float16", PAST.shape)
    changes = {f"{side}__0__{part}": half for side in ("input__past_key_values", "output__present")
               for part in ("key", "value")}  # fmt: skip
    made = described(graph(1, input__input_ids=GraphTensor("int32", IDS.shape), **changes))
    assert made.signature.input("input_ids").dtype == "int32"
    assert made.signature.input("past_key_values.0.key").dtype == "float16"


def test_a_graph_of_one_token_a_step_keeps_that() -> None:
    made = described(graph(input__input_ids=GraphTensor("int64", ("batch_size", 1))))
    assert made.signature.input("input_ids").shape == ("batch", 1)


def test_caches_of_the_encoder_are_context() -> None:
    made = described(
        graph(
            1,
            input__encoder_attention_mask=GraphTensor("int64", ("batch_size", "encoder_sequence_length")),
            input__encoder_hidden_states=GraphTensor("float32", ("batch_size", "length", 16)),
            input__past_key_values__0__encoder__key=CROSS,
        )
    )
    assert made.step.context == (
        "encoder_attention_mask",
        "encoder_hidden_states",
        "past_key_values.0.encoder.key",
    )
    assert shapes(made)["encoder_hidden_states"][1] == ("batch", "source", 16)
    assert shapes(made)["past_key_values.0.encoder.key"] == ("float32", ("batch", 2, "source", 8), "context")
    assert len(made.step.state) == 2


def test_sizes_that_the_graph_leaves_open_are_those_of_the_configuration() -> None:
    free = GraphTensor("float32", ("batch_size", "heads", "past", None))
    changes = {f"{side}__0__{part}": free for side in ("input__past_key_values", "output__present")
               for part in ("key", "value")}  # fmt: skip
    told = Configuration(
        architecture=Architecture(num_attention_heads=4, num_key_value_heads=2, hidden_size=32)
    )
    assert shapes(described(graph(1, **changes), told))["past_key_values.0.key"][1] == ("batch", 2, "past", 8)
    with pytest.raises(LoadError, match="leaves a size open that no 'num_key_value_heads' gives"):
        described(graph(1, **changes))


def test_suppressed_tokens_are_those_that_the_vocabulary_has() -> None:
    generation = Generation(suppress_tokens=[7, 49, 50])
    told = Configuration(architecture=Architecture(), generation=generation)
    assert described(graph(), told).step.suppressed == (7, 49)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"input__token_type_ids": IDS},
            "nothing fills the input 'token_type_ids' of 'model.onnx'; known are",
        ),
        ({"input__past_key_values__0__query": PAST}, "nothing fills the input 'past_key_values.0.query'"),
        ({"input__input_ids": None}, "needs an input 'input_ids' and an output 'logits'"),
        ({"output__logits": None}, "needs an input 'input_ids' and an output 'logits'"),
        (
            {"output__logits": GraphTensor("float32", ("batch", "time", "vocabulary"))},
            "'logits' of 'model.onnx' must say how many entries the vocabulary has",
        ),
        ({"output__logits": GraphTensor("int64", LOGITS.shape)}, "'logits' of 'model.onnx' is int64"),
        ({"input__input_ids": GraphTensor("float32", IDS.shape)}, "'input_ids' of 'model.onnx' is float32"),
        (
            {"input__position_ids": GraphTensor("int64", ("batch",))},
            r"'position_ids' of 'model.onnx': expected \['batch', 'time'\], got \['batch'\]",
        ),
        ({"output__present__1__value": None}, "has no output 'present.1.value' for its input"),
        ({"input__past_key_values__1__value": None}, "has caches, but none for the value of layer 1"),
        (
            {"output__present__0__key": GraphTensor("float32", ("batch", 4, "past", 8))},
            "expected float32 with 2 heads of 8, as 'past_key_values.0.key', got float32 with 4 heads of 8",
        ),
        (
            {"output__present__0__key": GraphTensor("float16", PAST.shape)},
            "expected float32 with 2 heads of 8, .* got float16",
        ),
        (
            {"input__past_key_values__0__key": GraphTensor("float32", ("batch", "past", 16))},
            r"'past_key_values.0.key' of 'model.onnx': expected \[batch, heads, tokens, head size\]",
        ),
        (
            {"input__past_key_values__0__key": GraphTensor("float32", ("batch", 2, 16, 8))},
            r"expected \[batch, heads, tokens, head size\], got \['batch', 2, 16, 8\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, GraphTensor | None], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        described(graph(**changes))
