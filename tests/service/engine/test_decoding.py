"""What sequences do with logits: sampled rows and beams."""

import itertools

import numpy as np
import pytest

from service.domain import Array, Sampling
from service.engine.contracts import Hypothesis, Token
from service.engine.decoding import BeamSearch, SampledRows, SampledSequence
from service.engine.sampling import length_penalty, log_normalisers

END = 0


def advance(decoder: SampledSequence, logits: Array) -> Token:
    """Choose and take one token."""
    tokens, logprobs, tops = SampledRows([decoder]).choose(logits)
    return decoder.take(int(tokens[0]), logprobs[0], 0.0, tops.get(0, ()))


def one_hot(token: int, vocabulary: int = 4) -> Array:
    return np.where(np.arange(vocabulary) == token, 9.0, 0.0).astype(np.float32)[None]


def test_a_sampled_sequence_tells_each_token_and_stops_at_the_end_token() -> None:
    decoder = SampledSequence(Sampling(temperature=0), max_new_tokens=9, end_id=END)
    first = advance(decoder, one_hot(2))
    assert (first.id, first.finish_reason) == (2, None)
    assert advance(decoder, one_hot(END)).finish_reason == "stop"
    assert (decoder.made, decoder.length, decoder.histories()) == ([2, END], 2, ((2, END),))


def test_any_of_several_end_tokens_ends_a_sequence() -> None:
    for end in (END, 2):
        decoder = SampledSequence(Sampling(temperature=0), max_new_tokens=9, end_id=(END, 2))
        assert advance(decoder, one_hot(end)).finish_reason == "stop"
        search = BeamSearch(1, 0.6, max_new_tokens=9, end_id=(END, 2))
        assert search.advance(one_hot(end)).result == Hypothesis((), pytest.approx(0, abs=1e-3), "stop")


def test_a_sampled_sequence_ends_at_its_length() -> None:
    decoder = SampledSequence(Sampling(temperature=0, ranked=True), max_new_tokens=1, end_id=None)
    assert advance(decoder, one_hot(2)) == Token(2, pytest.approx(-0.0004, abs=1e-3), "length")


def test_a_sampled_sequence_tells_the_most_probable_tokens_if_asked_and_the_models_own_logprobs() -> None:
    logits = np.array([[1.0, 3.0, 2.0, 0.0]], np.float32)
    normaliser = float(log_normalisers(logits)[0])
    sampling = Sampling(temperature=0, logit_bias=((3, 50.0),), logprobs=2)
    told = advance(SampledSequence(sampling, max_new_tokens=9, end_id=END), logits)
    assert (told.id, told.logprob) == (3, 0.0 - normaliser)
    assert told.top == ((1, 3.0 - normaliser), (2, 2.0 - normaliser))
    silent = advance(SampledSequence(Sampling(temperature=0), max_new_tokens=9, end_id=END), logits)
    assert (silent.id, silent.logprob, silent.top) == (1, None, ())


def test_tokens_that_are_given_are_told_with_their_logprobs_before_any_is_chosen() -> None:
    logits = np.array([[1.0, 3.0, 2.0, 0.0]], np.float32)
    normaliser = float(log_normalisers(logits)[0])
    decoder = SampledSequence(Sampling(temperature=0, logprobs=1), 1, END, (), (2, END))
    first, second, third = (advance(decoder, logits) for _ in range(3))
    top = ((1, 3.0 - normaliser),)
    assert first == Token(2, 2.0 - normaliser, None, 0.0, top)
    assert second == Token(END, 1.0 - normaliser, None, 0.0, top), "an end token that was given ends nothing"
    assert third == Token(1, 3.0 - normaliser, "length", 0.0, top)
    assert decoder.made == [2, END, 1]


def test_without_anything_to_choose_the_last_given_token_ends_the_sequence() -> None:
    decoder = SampledSequence(Sampling(), 0, END, (), (3, 1))
    assert [advance(decoder, one_hot(1)).finish_reason for _ in range(2)] == [None, "length"]


def test_what_is_drawn_after_given_tokens_does_not_depend_on_how_many_they_were() -> None:
    logits = np.zeros((1, 50), np.float32)
    sampling = Sampling(seed=3, presence_penalty=1.0)
    plain = SampledSequence(sampling, 9, None)
    scored = SampledSequence(sampling, 9, None, (), (4, 5, 6))
    told = [advance(scored, logits).id for _ in range(12)]
    assert told == [4, 5, 6, *(advance(plain, logits).id for _ in range(9))]


def walk(decoder: BeamSearch, table: Array, start: int) -> Hypothesis:
    """Drive a decoder over a first-order model: `table[last]` are the logits after token `last`."""
    last = [start] * decoder.width
    while True:
        advance = decoder.advance(table[last])
        if advance.result is not None:
            return advance.result
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
