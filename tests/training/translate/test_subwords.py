"""Subwords: exact round trips and fixed special ids."""

from itertools import islice

from training.translate import grammar, subwords

TEXTS = [pair.french for pair in islice(grammar.pairs(5), 3000)]
TOKENIZER = subwords.learn(TEXTS, 600)


def test_special_ids_are_fixed() -> None:
    assert [TOKENIZER.token_to_id(token) for token in subwords.SPECIAL] == [0, 1, 2, 3]
    assert TOKENIZER.get_vocab_size() == 600


def test_decoding_gives_the_text_back_exactly() -> None:
    unseen = [pair.french for pair in islice(grammar.pairs(6), 500)]
    assert [TOKENIZER.decode(TOKENIZER.encode(text).ids) for text in unseen] == unseen


def test_learning_twice_gives_the_same_tokenizer() -> None:
    assert subwords.learn(TEXTS, 600).to_str() == TOKENIZER.to_str()


def test_elided_words_and_full_stops_are_tokens_of_their_own() -> None:
    assert TOKENIZER.encode("Il l'aime.").tokens[1] == "▁l'"
    assert TOKENIZER.encode("Il l'aime.").tokens[-1] == "."


def test_a_source_ends_and_a_target_begins_and_ends() -> None:
    ids = TOKENIZER.encode("Il dort.").ids
    assert subwords.source_ids(TOKENIZER, ["Il dort."]) == [[*ids, 3]]
    assert subwords.target_ids(TOKENIZER, ["Il dort."]) == [[2, *ids, 3]]
