"""Texts as ids of words: what a word is, and which of them a window holds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from training import words
from training.words import PAD, UNKNOWN, Window

TEXTS = ("The cat isn't here.", "the cat, the dog!", "A dog")


def test_words_are_lower_case_with_their_apostrophe_and_marks_are_words() -> None:
    tokenizer = words.learn(TEXTS, 100)
    assert tokenizer.encode("THE cat ISN\N{RIGHT SINGLE QUOTATION MARK}T <br />here!").tokens == [
        "the", "cat", "isn't", "here", "!",
    ]  # fmt: skip
    assert words.words_of(tokenizer)[:2] == ("[PAD]", "[UNK]")


def test_what_is_rare_or_new_is_unknown_and_nobody_can_write_padding() -> None:
    tokenizer = words.learn(TEXTS, 100, fewest=2)
    assert words.encode(tokenizer, ["the bird", "[PAD]", "  \n"]) == [
        [tokenizer.token_to_id("the"), UNKNOWN], [UNKNOWN], [],
    ]  # fmt: skip


def test_a_tokenizer_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    tokenizer = words.learn(TEXTS, 100)
    words.save(tokenizer, tmp_path / "tokenizer.json")
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert words.encode(again, TEXTS) == words.encode(tokenizer, TEXTS)


@pytest.mark.parametrize(("keep", "seen"), [("first", [1, 2, 3]), ("last", [3, 4, 5])])
def test_a_long_row_keeps_the_end_that_is_asked_for(keep: words.End, seen: list[int]) -> None:
    assert Window(3, keep).rows([[1, 2, 3, 4, 5]]).tolist() == [seen]


@pytest.mark.parametrize(("side", "row"), [("right", [1, 2, PAD, PAD]), ("left", [PAD, PAD, 1, 2])])
def test_a_short_row_is_padded_on_the_side_that_is_asked_for(side: words.Side, row: list[int]) -> None:
    assert Window(4).rows([[1, 2]], side).tolist() == [row]


@given(st.lists(st.integers(0, 300), min_size=1), st.floats(0.05, 1), st.integers(8, 400))
def test_the_window_holds_as_many_texts_whole_as_was_asked_or_is_the_longest(
    lengths: list[int], cover: float, longest: int
) -> None:
    window = words.fitting(lengths, cover, longest=longest, keep="last")
    whole = sum(length <= window.length for length in lengths) / len(lengths)
    assert window.length <= longest
    assert window.length == longest or (whole >= cover and window.length % 8 == 0)
