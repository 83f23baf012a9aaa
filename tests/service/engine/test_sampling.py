"""Choosing the next token of one row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.domain import Array, Sampling
from service.engine.sampling import Sampler, SamplerGroup, length_penalty, log_normalisers, most_probable

LOGITS = np.array([0.0, 3.0, 1.0, 2.5, -1.0], np.float32)


def draw(sampling: Sampling, logits: Array = LOGITS, count: int = 400) -> list[int]:
    group = SamplerGroup([Sampler(sampling)])
    return [int(group.choose(logits[None], logits[None].argmax(axis=1))[0]) for _ in range(count)]


def test_temperature_zero_is_greedy() -> None:
    assert set(draw(Sampling(temperature=0.0))) == {1}


def test_top_k_one_is_greedy_at_any_temperature() -> None:
    assert set(draw(Sampling(temperature=5.0, top_k=1))) == {1}


def test_top_k_keeps_the_most_probable() -> None:
    assert set(draw(Sampling(temperature=2.0, top_k=2, seed=1))) == {1, 3}


def test_top_p_keeps_the_smallest_head_that_reaches_it() -> None:
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum()
    assert probabilities[1] < 0.6 < probabilities[1] + probabilities[3]
    assert set(draw(Sampling(top_p=0.6, seed=1))) == {1, 3}


def test_a_tiny_top_p_still_leaves_the_best() -> None:
    assert set(draw(Sampling(top_p=1e-9, seed=1))) == {1}


def test_the_same_seed_draws_the_same_tokens() -> None:
    assert draw(Sampling(seed=7)) == draw(Sampling(seed=7))
    assert draw(Sampling(seed=7)) != draw(Sampling(seed=8))


def test_tokens_are_drawn_in_proportion_to_their_probability() -> None:
    drawn = np.bincount(draw(Sampling(seed=3), count=20_000), minlength=5) / 20_000
    assert drawn == pytest.approx(np.exp(LOGITS) / np.exp(LOGITS).sum(), abs=0.02)


@given(arrays.arrays(np.float32, (3, 9), elements=st.floats(-50, 50, width=32)))
def test_log_normalisers_make_probabilities_of_logits(logits: Array) -> None:
    probabilities = np.exp(logits.astype(np.float64) - log_normalisers(logits)[:, None])
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3))


@given(
    arrays.arrays(np.float32, 9, elements=st.floats(-50, 50, width=32)),
    st.floats(0.05, 3.0),
    st.integers(0, 9),
    st.floats(0.01, 1.0),
)
def test_a_token_outside_top_k_is_never_drawn(
    logits: Array, temperature: float, top_k: int, top_p: float
) -> None:
    allowed = np.sort(logits)[::-1][(top_k or 9) - 1]
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=1)
    assert all(logits[token] >= allowed for token in draw(sampling, logits, 5))


FINITE = arrays.arrays(np.float32, 9, elements=st.floats(-50, 50, width=32))
COUNTS = st.dictionaries(st.integers(0, 8), st.integers(1, 50))
PENALTIES = st.floats(-2, 2)


@given(FINITE, COUNTS, PENALTIES, PENALTIES, st.dictionaries(st.integers(0, 8), st.floats(-100, 100)))
def test_bias_and_penalties_change_the_logits_as_the_formula_says(
    logits: Array, counts: dict[int, int], presence: float, frequency: float, bias: dict[int, float]
) -> None:
    sampling = Sampling(
        presence_penalty=presence, frequency_penalty=frequency, logit_bias=tuple(bias.items())
    )
    expected = [
        float(logits[token])
        + bias.get(token, 0.0)
        - counts.get(token, 0) * frequency
        - (counts.get(token, 0) > 0) * presence
        for token in range(9)
    ]
    sampler = Sampler(sampling)
    sampler.adjust(np.zeros(9))
    for token, count in counts.items():
        for _ in range(count):
            sampler.count(token)
    changed = logits.astype(np.float64)
    sampler.adjust(changed)
    assert changed == pytest.approx(expected)


@given(FINITE, st.integers(0, 8), st.sampled_from([0.0, 0.5, 2.0]))
def test_enough_bias_forces_a_token_at_any_temperature(logits: Array, token: int, temperature: float) -> None:
    others = tuple((other, -100.0) for other in range(9) if other != token)
    sampling = Sampling(temperature=temperature, logit_bias=((token, 100.0), *others), seed=1)
    assert set(draw(sampling, logits, 5)) == {token}


@given(FINITE)
def test_bias_that_is_nothing_changes_nothing(logits: Array) -> None:
    biased = Sampling(seed=5, logit_bias=((0, 0.0),))
    assert draw(biased, logits, 9) == draw(Sampling(seed=5), logits, 9)


def test_bias_and_penalties_come_before_the_temperature() -> None:
    # At a low temperature, a bias of 2.5 on the third best is as good as certain.
    assert set(draw(Sampling(temperature=0.01, logit_bias=((2, 2.5),), seed=1))) == {2}


def test_a_frequency_penalty_counts_and_a_presence_penalty_does_not() -> None:
    logits = np.array([3.0, 2.0, 0.0], np.float32)
    assert draw(Sampling(temperature=0, frequency_penalty=0.4), logits, 6) == [0, 0, 0, 1, 0, 1]
    assert draw(Sampling(temperature=0, presence_penalty=0.4), logits, 6) == [0] * 6
    assert draw(Sampling(temperature=0, presence_penalty=1.5), logits, 3) == [0, 1, 0]


@given(FINITE)
def test_a_negative_penalty_keeps_the_first_greedy_token(logits: Array) -> None:
    drawn = draw(Sampling(temperature=0, presence_penalty=-1, frequency_penalty=-1), logits, 4)
    assert drawn == [int(logits.argmax())] * 4


@given(FINITE, st.integers(0, 12))
def test_the_most_probable_are_the_largest_in_order_and_none_is_more_probable_than_the_first(
    logits: Array, count: int
) -> None:
    normaliser = float(log_normalisers(logits[None])[0])
    top = most_probable(logits, normaliser, count)
    assert [token for token, _ in top] == list(np.argsort(-logits, kind="stable")[:count])
    assert [logprob for _, logprob in top] == [float(logits[token]) - normaliser for token, _ in top]
    assert sum(np.exp([logprob for _, logprob in top])) <= 1 + 1e-6
    assert len(top) == min(count, 9)


def test_of_equal_tokens_the_lower_ids_are_told() -> None:
    assert [token for token, _ in most_probable(np.zeros(50, np.float32), 0.0, 3)] == [0, 1, 2]


def test_the_length_penalty_is_that_of_the_paper() -> None:
    assert length_penalty(1, 0.6) == 1.0
    assert length_penalty(7, 1.0) == 2.0
    assert length_penalty(50, 0.0) == 1.0
