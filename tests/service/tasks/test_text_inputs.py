"""Words in the place of token ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.bundle import Signature, Tensor
from service.errors import Invalid
from service.tasks.text_inputs import MOST_TOKENS, TextInputs
from service.tasks.tokenizer import CharacterTokenizer

UNKNOWN = 0
LETTERS = CharacterTokenizer("?abc", UNKNOWN)


def made(inputs: dict[str, Any], *tensors: Tensor) -> dict[str, Any]:
    """Return what a signature of such inputs is given."""
    signature = Signature(file="x.onnx", saved_model_signature="x", inputs=tensors, outputs=())
    found = TextInputs(signature, LETTERS, UNKNOWN)(inputs)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}


def ids(*axes: str | int, name: str = "ids") -> Tensor:
    return Tensor(name=name, dtype="int32", shape=("batch", *axes), kind="token_ids", pad=9)


MASK = Tensor(name="mask", dtype="float32", shape=("batch", "time"), kind="mask")
LENGTHS = Tensor(name="lengths", dtype="int64", shape=("batch",), kind="lengths")
PLACES = Tensor(name="at", dtype="int32", shape=("batch", "time"), kind="positions")
K = Tensor(name="k", dtype="int32", shape=())


def test_texts_become_padded_ids_with_what_goes_with_them() -> None:
    assert made({"ids": ["ab", "c"], "k": 5}, ids("time"), MASK, LENGTHS, PLACES, K) == {
        "ids": [[1, 2], [3, 9]],
        "mask": [[1.0, 1.0], [1.0, 0.0]],
        "lengths": [2, 1],
        "at": [[0, 1], [0, 1]],
        "k": 5,
    }


def test_what_the_caller_gave_beside_the_texts_stays() -> None:
    assert made({"ids": ["ab"], "lengths": [1]}, ids("time"), LENGTHS)["lengths"] == [1]


def test_one_word_for_each_row_becomes_its_id() -> None:
    assert made({"a": ["b"], "b": np.array(["c"], object)}, ids(name="a"), ids(name="b")) == {
        "a": [2],
        "b": [3],
    }


def test_a_fixed_length_is_filled_up() -> None:
    assert made({"ids": ["ab"]}, ids(4)) == {"ids": [[1, 2, 9, 9]]}


@pytest.mark.parametrize("value", [[[1, 2]], np.array([[1]]), [], "ab", None, [["a"]], ["a", 1]])
def test_anything_else_is_left_as_it_is(value: Any) -> None:
    found = TextInputs(
        Signature(file="x.onnx", saved_model_signature="x", inputs=(ids("time"),), outputs=()), LETTERS, None
    )({"ids": value})
    assert found["ids"] is value


@pytest.mark.parametrize(
    ("texts", "tensor", "message"),
    [
        (["b", "ab"], ids(), r"expected a word of the vocabulary, got 'ab' at \[1\]"),
        (["x"], ids(), r"expected a word of the vocabulary, got 'x' at \[0\]"),
        (["x" * 100], ids(), r"got 'x{40}\.\.\.' at"),
        ([""], ids("time"), "nothing but space"),
        (["a" * (MOST_TOKENS + 1)], ids("time"), "at most 8192 tokens"),
        (["aaa"], ids(2), "at most 2 tokens"),
    ],
)
def test_texts_that_do_not_fit_name_their_input(texts: list[str], tensor: Tensor, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        made({"ids": texts}, tensor)
    assert caught.value.field == "inputs.ids"
