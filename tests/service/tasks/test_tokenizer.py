"""Text to token ids and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers.processors import TemplateProcessing

from service.bundle import BundleError, Tokenizer
from service.errors import Invalid
from service.tasks.tokenizer import CharacterTokenizer, SubwordTokenizer, load_tokenizer
from tests.support.bundles import END, START, VOCABULARY, word_tokenizer

CHARACTERS = Tokenizer(kind="characters", file="vocabulary.json")
SUBWORDS = Tokenizer(kind="tokenizers", file="tokenizer.json")


def test_characters_become_their_places_in_the_list_and_come_back() -> None:
    tokenizer = CharacterTokenizer("abcü")
    assert tokenizer.encode("cüba"[:2], "prompt") == [2, 3]
    assert tokenizer.decode([0, 3]) == "aü"
    assert (tokenizer.size, tokenizer.longest(7)) == (4, 7)


def test_a_character_that_is_not_known_is_refused_by_name_and_place() -> None:
    with pytest.raises(Invalid, match="character 'X' at position 2 is not among the 3") as caught:
        CharacterTokenizer("abc").encode("abXY", "prompt")
    assert caught.value.field == "prompt"
    with pytest.raises(Invalid, match=r"character '\\u2603' at position 0"):
        CharacterTokenizer("abc").encode("☃", "prompt")


def test_a_character_that_is_not_known_becomes_the_unknown_one_where_there_is_one() -> None:
    assert CharacterTokenizer("?abc", unknown_id=0).encode("aXc", "prompt") == [1, 0, 3]


def test_words_become_tokens_and_special_ones_are_neither_added_nor_decoded() -> None:
    tokenizer = SubwordTokenizer(word_tokenizer())
    ids = tokenizer.encode("The cat", "text")
    assert ids == [VOCABULARY.index("the"), VOCABULARY.index("cat")]
    assert tokenizer.decode([START, *ids, END]) == "the cat"
    assert tokenizer.size == len(VOCABULARY)


def test_the_files_own_special_tokens_are_added_where_the_description_says_so(tmp_path: Path) -> None:
    words = word_tokenizer()
    words.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    words.save(str(tmp_path / SUBWORDS.file))
    special = SUBWORDS.model_copy(update={"adds_special": True})
    plain, added = (load_tokenizer(each, tmp_path, 99) for each in (SUBWORDS, special))
    assert added.encode("the cat", "text") == [*plain.encode("the cat", "text"), END]


def test_what_the_file_says_of_truncation_and_padding_is_not_heard() -> None:
    words = word_tokenizer()
    words.enable_truncation(1)
    words.enable_padding(length=8)
    assert len(SubwordTokenizer(words).encode("the cat sees", "text")) == 3


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(Invalid, match="lone surrogate") as caught:
        SubwordTokenizer(word_tokenizer()).encode("the \ud800", "texts[0]")
    assert caught.value.field == "texts[0]"


def test_both_kinds_are_loaded_from_a_version_directory(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps(list("abc")))
    assert load_tokenizer(CHARACTERS, tmp_path, 3).encode("cab", "prompt") == [2, 0, 1]
    (tmp_path / "tokenizer.json").write_text(word_tokenizer().to_str())
    assert load_tokenizer(SUBWORDS, tmp_path, len(VOCABULARY) + 8).decode([5, 4]) == "cat the"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON"),
        ("{}", "expected a list of characters"),
        ('["a", "bc"]', "expected a list of characters"),
        ('["a", 1]', "expected a list of characters"),
        ('["a", "b", "a"]', "has a character twice"),
        ('["a", "b"]', "has 2 entries, the model 3"),
        ('["a", "b", "c", "d"]', "has 4 entries, the model 3"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "vocabulary.json").write_text(content)
    with pytest.raises(BundleError, match=message):
        load_tokenizer(CHARACTERS, tmp_path, 3)


def test_a_tokenizer_that_cannot_be_read_or_is_larger_than_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"tokenizer 'tokenizer\.json' cannot be read"):
        load_tokenizer(SUBWORDS, tmp_path, 99)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(BundleError, match=r"is not a valid tokenizer\.json"):
        load_tokenizer(SUBWORDS, tmp_path, 99)
    (tmp_path / "tokenizer.json").write_text(word_tokenizer().to_str())
    with pytest.raises(BundleError, match="has 24 entries, the model 8"):
        load_tokenizer(SUBWORDS, tmp_path, 8)


@pytest.mark.parametrize("file", ["../vocabulary.json", "/etc/hostname", "link.json"])
def test_a_file_outside_the_version_directory_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "vocabulary.json").write_text('["a"]')
    directory = tmp_path / "1"
    directory.mkdir()
    (directory / "link.json").symlink_to(tmp_path / "vocabulary.json")
    with pytest.raises(BundleError, match="lies outside the version directory"):
        load_tokenizer(Tokenizer(kind="characters", file=file), directory, 1)


def test_an_unknown_id_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text('["a"]')
    with pytest.raises(BundleError, match="unknown_id 1"):
        load_tokenizer(Tokenizer(kind="characters", file="vocabulary.json", unknown_id=1), tmp_path, 1)


def test_one_token_by_itself_is_told_special_ones_by_name() -> None:
    assert CharacterTokenizer("abcü").piece(3) == "ü"
    tokenizer = SubwordTokenizer(word_tokenizer())
    assert [tokenizer.piece(token) for token in (VOCABULARY.index("cat"), END)] == ["cat", "[EOS]"]
    assert tokenizer.piece(10_000) == ""
