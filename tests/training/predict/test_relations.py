"""Sentences about known relations."""

import random
from itertools import islice

from training.predict.relations import RELATIONS, sentences


def test_each_word_of_each_pair_is_spoken_of_alone_and_with_the_other() -> None:
    said = [set(each.split()) for each in islice(sentences(random.Random(0)), 6000)]
    for relation in RELATIONS:
        for pair in relation.pairs:
            first = sum(pair.first in words and pair.second not in words for words in said)
            second = sum(pair.second in words and pair.first not in words for words in said)
            both = sum({pair.first, pair.second} <= words for words in said)
            assert min(first, second, both) > 5, pair


def test_no_frame_is_left_unfilled_and_no_word_is_in_two_pairs() -> None:
    assert not any("{" in each for each in islice(sentences(random.Random(1)), 2000))
    spelled = [
        word for relation in RELATIONS for pair in relation.pairs for word in (pair.first, pair.second)
    ]
    assert len(set(spelled)) == len(spelled)
