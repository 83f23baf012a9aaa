"""Text as it comes: never half a character, and in the end the same as all at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from service.tasks.detokenizer import REPLACEMENT, Detokenizer
from service.tasks.tokenizer import CharacterTokenizer, SubwordTokenizer
from service.tasks.tokenizer import Tokenizer as OurTokenizer
from tests.support.bundles import END, VOCABULARY, word_tokenizer


def byte_level() -> SubwordTokenizer:
    """A token for each byte: every character beyond ASCII takes several."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: index for index, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return SubwordTokenizer(tokenizer)


def metaspace() -> SubwordTokenizer:
    """Pieces with their space before them, as a translator's; id 0 stands for no text."""
    pieces = ["[PAD]", "▁", "▁the", "▁cat", "s", "'", ".", "é"]
    tokenizer = Tokenizer(models.WordLevel({piece: index for index, piece in enumerate(pieces)}, "[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["[PAD]"])
    return SubwordTokenizer(tokenizer)


def byte_fallback() -> SubwordTokenizer:
    """Letters, and bytes for everything else."""
    pieces = ["[PAD]", "a", "▁b", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Tokenizer(models.WordLevel({piece: index for index, piece in enumerate(pieces)}, "[PAD]"))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return SubwordTokenizer(tokenizer)


BYTES, SPACES, FALLBACK = byte_level(), metaspace(), byte_fallback()
WORDS = SubwordTokenizer(word_tokenizer())


def pieces(tokenizer: OurTokenizer, ids: Sequence[int]) -> list[str]:
    detokenizer = Detokenizer(tokenizer)
    return [*(detokenizer.push(token) for token in ids), detokenizer.flush()]


def test_half_a_character_waits_for_its_other_half() -> None:
    ids = BYTES.encode("aé€", "text")
    assert pieces(BYTES, ids) == ["a", "", "é", "", "", "€", ""]


def test_half_a_character_at_the_end_is_shown_as_such() -> None:
    ids = BYTES.encode("aé", "text")[:-1]
    assert pieces(BYTES, ids) == ["a", "", REPLACEMENT]


def test_words_come_with_the_spaces_between_them() -> None:
    ids = [VOCABULARY.index(word) for word in ("le", "chat", "dort")]
    assert pieces(WORDS, [*ids, END]) == ["le", " chat", " dort", "", ""]


def test_a_special_token_in_the_middle_leaves_the_space_after_it() -> None:
    assert pieces(SPACES, [2, 0, 3]) == ["the", "", " cat", ""]


def test_a_long_run_of_special_tokens_leaves_the_space_after_it_too() -> None:
    ids = [2, 3] * 20 + [0] * 12
    assert "".join(pieces(SPACES, [*ids, 3, 4])) == SPACES.decode(ids) + " cats"


def test_a_vocabulary_with_the_replacement_character_gives_it_out() -> None:
    tokenizer = CharacterTokenizer(REPLACEMENT + "ab")
    assert "".join(pieces(tokenizer, [1, 0, 0, 2, 0])) == f"a{REPLACEMENT * 2}b{REPLACEMENT}"


@pytest.mark.parametrize("tokenizer", [BYTES, SPACES, WORDS], ids=["bytes", "spaces", "words"])
@given(data=st.data())
def test_pieces_joined_are_what_all_tokens_make_at_once(
    tokenizer: SubwordTokenizer, data: st.DataObject
) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.size - 1), max_size=120))
    parts = pieces(tokenizer, ids)
    assert "".join(parts) == tokenizer.decode(ids)


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK], ids=["bytes", "fallback"])
@given(text=st.text(max_size=60))
def test_text_comes_back_whole_and_never_in_halves(tokenizer: SubwordTokenizer, text: str) -> None:
    text = text.replace(REPLACEMENT, "")
    ids = BYTES.encode(text, "text") if tokenizer is BYTES else [3 + byte for byte in text.encode()]
    parts = pieces(tokenizer, ids)
    assert "".join(parts) == text
    assert not any(REPLACEMENT in part for part in parts)


def test_the_work_for_a_token_does_not_grow_with_the_text() -> None:
    lengths: list[int] = []

    class Counting(CharacterTokenizer):
        def decode(self, ids: Sequence[int]) -> str:
            lengths.append(len(ids))
            return super().decode(ids)

    pieces(Counting("ab"), [0, 1] * 500)
    assert max(lengths) <= 34
