"""Feeds for a signature that reads one text."""

from __future__ import annotations

import numpy as np
import pytest

from service.bundle import BundleError, Signature, Tensor
from service.tasks.token_feeds import TokenFeeds

LENGTHS = Tensor(name="lengths", dtype="int64", shape=("batch",), kind="lengths")


def signature(*inputs: Tensor) -> Signature:
    return Signature(file="encode.onnx", saved_model_signature="encode", inputs=inputs, outputs=())


def tokens(size: int | str) -> Tensor:
    return Tensor(name="ids", dtype="int32", shape=("batch", size), kind="token_ids", pad=9)


def test_tokens_come_with_their_length_mask_and_positions() -> None:
    feeds = TokenFeeds(
        signature(
            tokens("time"),
            LENGTHS,
            Tensor(name="mask", dtype="float32", shape=("batch", "time"), kind="mask"),
            Tensor(name="at", dtype="int32", shape=("batch", "time"), kind="positions"),
        ),
        "ids",
    )([5, 6])
    assert {name: array.tolist() for name, array in feeds.items()} == {
        "ids": [[5, 6]],
        "lengths": [2],
        "mask": [[1.0, 1.0]],
        "at": [[0, 1]],
    }
    assert [array.dtype for array in feeds.values()] == [np.int32, np.int64, np.float32, np.int32]


def test_a_graph_of_fixed_length_gets_padding_and_a_mask_that_says_so() -> None:
    made = TokenFeeds(
        signature(tokens(4), Tensor(name="mask", dtype="bool", shape=("batch", 4), kind="mask")), "ids"
    )
    assert made.longest == 4
    feeds = made([5, 6])
    assert feeds["ids"].tolist() == [[5, 6, 9, 9]]
    assert feeds["mask"].tolist() == [[True, True, False, False]]


def test_an_input_that_nothing_fills_is_noticed_when_the_version_is_loaded() -> None:
    with pytest.raises(BundleError, match="nothing fills the input 'style' of kind 'values'"):
        TokenFeeds(
            signature(tokens("time"), Tensor(name="style", dtype="float32", shape=("batch", 3))), "ids"
        )
