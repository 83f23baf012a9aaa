"""The lexicon: complete, consistent, and as large as promised."""

from typing import get_args

import pytest

from training.translate import lexicon
from training.translate.lexicon import VerbKind, plural_of

WORDS = lexicon.load()
CATEGORIES = {noun.category for noun in WORDS.nouns}


def test_there_are_more_than_three_hundred_words() -> None:
    assert WORDS.size > 400
    assert len(WORDS.nouns) > 200
    assert len(WORDS.verbs) > 100


def test_no_english_noun_or_adjective_stands_for_two_french_ones() -> None:
    for words in (WORDS.nouns, WORDS.adjectives, WORDS.verbs):
        keys = [(word.english, getattr(word, "particle", ""), getattr(word, "kind", "")) for word in words]
        assert sorted(set(keys)) == sorted(keys)


def test_every_verb_is_of_a_known_kind_and_takes_known_things() -> None:
    for verb in WORDS.verbs:
        assert verb.kind in get_args(VerbKind)
        assert verb.subjects <= CATEGORIES, verb
        assert verb.objects <= CATEGORIES, verb
        assert bool(verb.objects) == (verb.kind in {"transitive", "indirect", "giving"}), verb


def test_every_adjective_describes_known_things() -> None:
    for adjective in WORDS.adjectives:
        assert adjective.categories <= CATEGORIES, adjective


@pytest.mark.parametrize(
    ("one", "many"), [("dog", "dogs"), ("box", "boxes"), ("lady", "ladies"), ("boy", "boys"), ("dress", "dresses")]
)  # fmt: skip
def test_regular_english_plurals(one: str, many: str) -> None:
    assert plural_of(one) == many


def test_regular_english_verbs_are_inflected() -> None:
    forms = {verb.english: (verb.past, verb.progressive) for verb in WORDS.verbs}
    assert forms["carry"] == ("carried", "carrying")
    assert forms["invite"] == ("invited", "inviting")
    assert forms["stop"] == ("stopped", "stopping")
    assert forms["see"] == ("saw", "seeing")
