"""What sequences do with logits: sampled rows and beams."""

import itertools

import numpy as np
import pytest

from service.domain import Array, Sampling
from service.engine.contracts import Hypothesis, Token
from service.engine.decoding import BeamSearch, Decoder, RowScores, SampledSequence, continued
from service.engine.sampling import length_penalty, log_normalisers

END = 0


def scores(logits: Array) -> RowScores:
    return RowScores(logits, logits.argmax(axis=1), log_normalisers(logits))


def one_hot(token: int, vocabulary: int = 4) -> Array:
    return np.where(np.arange(vocabulary) == token, 9.0, 0.0).astype(np.float32)[None]


def test_a_sampled_sequence_tells_each_token_and_stops_at_the_end_token() -> None:
    decoder = SampledSequence(Sampling(temperature=0), max_new_tokens=9, end_id=END)
    first = decoder.advance(scores(one_hot(2)))
    assert isinstance(first.result, Token)
    assert (first.tokens, first.result.id, first.result.finish_reason, first.done) == ((2,), 2, None, False)
    last = decoder.advance(scores(one_hot(END)))
    assert isinstance(last.result, Token)
    assert (last.result.finish_reason, last.done) == ("stop", True)


def test_a_sampled_sequence_ends_at_its_length() -> None:
    decoder = SampledSequence(Sampling(temperature=0), max_new_tokens=1, end_id=None)
    assert decoder.advance(scores(one_hot(2))).result == Token(2, pytest.approx(-0.0004, abs=1e-3), "length")


def test_a_sampled_sequence_tells_the_most_probable_tokens_if_asked_and_the_models_own_logprobs() -> None:
    logits = np.array([[1.0, 3.0, 2.0, 0.0]], np.float32)
    normaliser = float(log_normalisers(logits)[0])
    sampling = Sampling(temperature=0, logit_bias=((3, 50.0),), logprobs=2)
    told = SampledSequence(sampling, max_new_tokens=9, end_id=END).advance(scores(logits)).result
    assert isinstance(told, Token)
    assert (told.id, told.logprob) == (3, 0.0 - normaliser)
    assert told.top == ((1, 3.0 - normaliser), (2, 2.0 - normaliser))
    silent = SampledSequence(Sampling(temperature=0), max_new_tokens=9, end_id=END).advance(scores(logits))
    assert isinstance(silent.result, Token)
    assert silent.result.top == ()


def test_tokens_that_are_given_are_told_with_their_logprobs_before_any_is_chosen() -> None:
    logits = np.array([[1.0, 3.0, 2.0, 0.0]], np.float32)
    normaliser = float(log_normalisers(logits)[0])
    decoder = continued((2, END), Sampling(temperature=0, logprobs=1), 1, END)
    first, second, third = (decoder.advance(scores(logits)) for _ in range(3))
    assert first.result == Token(2, 2.0 - normaliser, top=((1, 3.0 - normaliser),))
    assert (first.tokens, first.done) == ((2,), False)
    assert second.result == Token(END, 1.0 - normaliser, top=((1, 3.0 - normaliser),))
    assert not second.done, "an end token that was given ends nothing"
    assert third.result == Token(1, 3.0 - normaliser, "length", top=((1, 3.0 - normaliser),))
    assert third.done


def test_without_anything_to_choose_the_last_given_token_ends_the_sequence() -> None:
    decoder = continued((3, 1), Sampling(), 0, END)
    told = [decoder.advance(scores(one_hot(1))) for _ in range(2)]
    assert [each.done for each in told] == [False, True]
    assert [each.result.finish_reason for each in told if isinstance(each.result, Token)] == [None, "length"]


def test_given_tokens_without_finite_logits_are_an_error_too() -> None:
    with pytest.raises(ArithmeticError, match="not numbers"):
        continued((1,), Sampling(), 0, END).advance(scores(np.full((1, 4), np.nan, np.float32)))


def walk(decoder: Decoder, table: Array, start: int) -> Hypothesis:
    """Drive a decoder over a first-order model: `table[last]` are the logits after token `last`."""
    last = [start] * decoder.width
    while True:
        advance = decoder.advance(scores(table[last]))
        if advance.done:
            assert isinstance(advance.result, Hypothesis)
            return advance.result
        assert advance.parents is not None
        last = list(advance.tokens)


def best_by_exhaustion(table: Array, start: int, steps: int, alpha: float) -> tuple[tuple[int, ...], float]:
    logprobs = table - log_normalisers(table)[:, None]
    found = {}
    for length in range(steps):
        for tokens in itertools.product(range(1, table.shape[1]), repeat=length):
            path = (start, *tokens, END)
            total = sum(logprobs[a, b] for a, b in itertools.pairwise(path))
            found[tokens] = total / length_penalty(length + 1, alpha)
    best = max(found, key=found.__getitem__)
    return best, found[best]


@pytest.mark.parametrize("seed", range(8))
def test_beams_as_wide_as_the_tree_find_the_best_sequence_there_is(seed: int) -> None:
    table = np.random.default_rng(seed).normal(0, 2, (4, 4)).astype(np.float32)
    expected, score = best_by_exhaustion(table, start=1, steps=3, alpha=0.6)
    found = walk(BeamSearch(64, 0.6, max_new_tokens=3, end_id=END), table, start=1)
    assert found.tokens == expected
    assert found.score == pytest.approx(score)


def test_one_beam_is_greedy() -> None:
    table = np.random.default_rng(5).normal(0, 2, (6, 6)).astype(np.float32)
    tokens = []
    last = 1
    while (last := int(table[last].argmax())) != END and len(tokens) < 5:
        tokens.append(last)
    assert walk(BeamSearch(1, 0.6, max_new_tokens=5, end_id=END), table, start=1).tokens == tuple(tokens)


def test_a_beam_finds_what_greedy_misses() -> None:
    # Token 1 looks best at first, but what follows it is improbable; 2 leads straight to the end.
    table = np.log(np.array([[1, 1, 1, 1], [0.25, 0.25, 0.25, 0.25], [0.97, 0.01, 0.01, 0.01],
                             [0.01, 0.55, 0.43, 0.01]], np.float32))  # fmt: skip
    assert walk(BeamSearch(1, 0.0, max_new_tokens=2, end_id=END), table, start=3).tokens[0] == 1
    assert walk(BeamSearch(3, 0.0, max_new_tokens=2, end_id=END), table, start=3).tokens == (2,)


def test_an_unfinished_search_tells_its_best_beam() -> None:
    found = walk(BeamSearch(2, 0.6, max_new_tokens=3, end_id=None), np.eye(4, dtype=np.float32) * 5, start=2)
    assert (found.tokens, found.finish_reason) == ((2, 2, 2), "length")
